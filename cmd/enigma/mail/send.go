package mail

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/enigma-protocol/enigma/transport/client"
	"github.com/enigma-protocol/enigma/transport/client/seal"
)

// ErrNotAllSafe: some texts of JSON lines failed; the results say which.
var ErrNotAllSafe = errors.New("not all texts are known to be safe")

const (
	// closeWithin bounds saying goodbye, with what is due.
	closeWithin = 5 * time.Second
	// retryAfter is the pause before a text that the server could not take now is sent again.
	retryAfter = time.Second
	// window bounds the texts on their way.
	window = 256
	// maxLine bounds a line of input: the longest text with every byte escaped, and room around it.
	maxLine = 6*seal.MaxText + 4096
)

// SendConfig is what [Send] is told.
type SendConfig struct {
	Server        string
	Key           *client.Key
	Book          *Book  // who may be named; nil for ids only
	To            string // id or name; empty for JSON lines, each of which says it
	Text          string
	WaitDelivered bool          // wait for the recipients' receipts too
	Timeout       time.Duration // for one text, from the handing over to the end of its waiting
	In            io.Reader     // the JSON lines
	Out           io.Writer     // results
}

// item is one text, as a line of JSON has it.
type item struct {
	To   string `json:"to"`
	Text string `json:"text"`
	ID   string `json:"id"` // optional: 22 characters of base64url; the same text again is not another
}

// result is a line about one text.
type result struct {
	ID     string `json:"id,omitempty"`
	To     string `json:"to,omitempty"`
	Status string `json:"status"` // "safe", "delivered" or "failed"
	Error  string `json:"error,omitempty"`
}

// sender carries out one Send.
type sender struct {
	SendConfig
	a         *Agent
	delivered *deliveries // nil if nobody waits for receipts
}

// Send sends one text, or one for each line {"to","text"}, and returns nil only if all of them are safe: stored durably by
// the server or confirmed by their recipients; with WaitDelivered, only if there is a receipt for each. For JSON lines it
// writes a line to Out for each, in order, and goes on after a failure.
//
// What has come for the user itself is left alone.
func Send(ctx context.Context, cfg SendConfig) error {
	dialing, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	a, err := Dial(dialing, cfg.Server, cfg.Key)
	if err != nil {
		return err
	}
	s := &sender{SendConfig: cfg, a: a}
	defer func() {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		_ = a.Close(goodbye) // what matters is known by now
		if s.delivered != nil {
			<-s.delivered.done
		}
	}()
	if cfg.WaitDelivered {
		s.delivered = watch(a)
	}
	if cfg.To == "" {
		return s.lines(ctx)
	}
	p := s.post(ctx, item{To: cfg.To, Text: cfg.Text})
	if r := s.settle(ctx, p); p.err != nil {
		return p.err
	} else if _, err := fmt.Fprintln(cfg.Out, r.Status); err != nil {
		return err
	}
	return nil
}

// posted is a text on its way.
type posted struct {
	to       *seal.User
	content  *seal.Content
	receipt  *client.Receipt
	deadline time.Time
	asked    string // the recipient as it was named
	err      error  // final if not nil
}

// post hands a text over. It waits for room only.
func (s *sender) post(ctx context.Context, it item) *posted {
	p := &posted{deadline: time.Now().Add(s.Timeout), asked: it.To, content: seal.NewText(it.Text)}
	if it.ID != "" {
		p.content.ID = it.ID
	}
	ctx, cancel := context.WithDeadline(ctx, p.deadline)
	defer cancel()
	if p.to, p.err = s.a.Find(ctx, s.Book, it.To); p.err != nil {
		return p
	}
	if p.err = p.content.Check(); p.err == nil {
		if s.delivered != nil {
			s.delivered.expect(p.to.ID(), p.content.ID)
		}
		p.receipt, p.err = s.a.Post(ctx, p.to, p.content)
	}
	return p
}

// settle waits for a text's outcome.
func (s *sender) settle(ctx context.Context, p *posted) result {
	ctx, cancel := context.WithDeadline(ctx, p.deadline)
	defer cancel()
	r := result{ID: p.content.ID, To: p.asked, Status: "safe"}
	if p.to != nil {
		r.To = p.to.ID()
	}
	for p.err == nil {
		err := p.receipt.Wait(ctx)
		if err == nil {
			break
		}
		if !passing(err) || !pause(ctx, retryAfter) {
			p.err = Explain(p.asked, s.explain(ctx, err))
			break
		}
		p.receipt, p.err = s.a.Post(ctx, p.to, p.content)
	}
	if p.err == nil && s.delivered != nil {
		r.Status = "delivered"
		p.err = s.explain(ctx, s.delivered.wait(ctx, p.to.ID(), p.content.ID))
	}
	if p.err != nil {
		r.Status, r.Error = "failed", p.err.Error()
	}
	return r
}

// explain puts what the end of patience means into words.
func (s *sender) explain(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, errNoReceipt) && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("safe, but no receipt came in %s: the recipient may be away", s.Timeout)
	case errors.Is(err, client.ErrReplaced):
		return errors.New("another program connected with the same key; a key has one connection at a time")
	case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !passing(err):
		return fmt.Errorf("not known to be safe after %s: it may or may not arrive", s.Timeout)
	}
	return err
}

// passing tells whether the server may take later what it could not take now.
func passing(err error) bool {
	return errors.Is(err, client.ErrRateLimited) || errors.Is(err, client.ErrStoreUnavailable)
}

// pause waits for d and reports whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// lines sends a text for each line of In. One goroutine posts, this one writes the results, in order.
func (s *sender) lines(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	queue := make(chan *posted, window)
	var readErr error
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(queue)
		readErr = s.read(ctx, queue)
	})
	var errs []error
	failed := false
	for p := range queue {
		r := s.settle(ctx, p)
		failed = failed || r.Status == "failed"
		if _, err := s.Out.Write(AppendJSON(nil, r)); err != nil {
			errs = append(errs, err)
			break
		}
	}
	cancel()
	for range queue { // nothing, unless writing failed
	}
	reading.Wait()
	if failed {
		errs = append(errs, ErrNotAllSafe)
	}
	return errors.Join(append(errs, readErr)...)
}

// read posts the lines of In. An input that blocks, a terminal say, keeps it until the next line.
func (s *sender) read(ctx context.Context, queue chan<- *posted) error {
	in := bufio.NewScanner(s.In)
	in.Buffer(nil, maxLine)
	for n := 1; in.Scan(); n++ {
		if strings.TrimSpace(in.Text()) == "" {
			continue
		}
		var it item
		var p *posted
		if err := json.Unmarshal(in.Bytes(), &it); err != nil {
			p = &posted{content: new(seal.Content), err: fmt.Errorf(`line %d: write {"to":"ID","text":"…"}: %w`, n, err)}
		} else {
			p = s.post(ctx, it)
		}
		select {
		case queue <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("reading the lines: %w", err)
	}
	return nil
}
