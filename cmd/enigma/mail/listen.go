package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// ListenConfig is what [Listen] is told.
type ListenConfig struct {
	Server  string
	Key     *client.Key
	Count   int           // texts after which it ends; 0 for no end
	Timeout time.Duration // after which it ends; 0 for no end
	Out     io.Writer     // a line for all that comes
	Warn    func(string)  // for people
}

// line is one line of Listen's output.
type line struct {
	Type    string   `json:"type"` // "text", "receipt" or "unreadable"
	From    string   `json:"from"`
	ID      string   `json:"id,omitempty"`
	Time    int64    `json:"time,omitempty"` // ms since the epoch, by the sender's clock
	Seq     uint64   `json:"seq"`
	Text    *string  `json:"text,omitempty"`
	IDs     []string `json:"ids,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Payload string   `json:"payload,omitempty"`
}

// Listen writes a line of JSON for everything that comes, confirms it after the line was written, and sends a receipt if it
// was a text. It returns nil after Count texts, or if there is no Count, after Timeout or when ctx ends.
func Listen(ctx context.Context, cfg ListenConfig) error {
	if cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
	}
	a, err := Dial(ctx, cfg.Server, cfg.Key)
	if err != nil {
		return err
	}
	defer func() {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		_ = a.Close(goodbye) // what was not confirmed comes again
	}()
	texts := 0
	for cfg.Count == 0 || texts < cfg.Count {
		l, err := a.Receive(ctx)
		switch {
		case err != nil && ctx.Err() != nil && cfg.Count == 0:
			return nil
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("%d of %d texts came", texts, cfg.Count)
		case errors.Is(err, client.ErrReplaced):
			return errors.New("another program connected with the same key; a key has one connection at a time")
		case err != nil:
			return err
		}
		if errors.Is(l.Err, client.ErrKeyMismatch) || errors.Is(l.Err, seal.ErrKeyMismatch) {
			cfg.Warn("the server returned a key for " + l.From + " that is not this user's: it lies or is broken; nothing of what comes from there can be believed")
		}
		if _, err := cfg.Out.Write(AppendJSON(nil, lineOf(l))); err != nil {
			return err // unconfirmed: the letter comes again
		}
		l.Confirm()
		if l.Content != nil && l.Content.Type == seal.TypeText {
			texts++
		}
	}
	return nil
}

func lineOf(l *Letter) line {
	out := line{From: l.From, Seq: l.Seq}
	if l.Err != nil {
		out.Type, out.Reason, out.Payload = "unreadable", l.Err.Error(), l.Payload
		return out
	}
	out.Type, out.ID, out.Time, out.IDs = l.Content.Type, l.Content.ID, l.Content.Time.UnixMilli(), l.Content.IDs
	if out.Type == seal.TypeText {
		out.Text = &l.Content.Text
	}
	return out
}
