package actors

import (
	"log/slog"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// ReceiverStarted tells a host's actor that its receiver is attached.
type ReceiverStarted struct{ Receiver *Receiver }

// ReceiverEnded tells a host's actor that its receiver has ended, or could not begin. Nothing of it follows.
type ReceiverEnded struct {
	Receiver *Receiver
	Err      error // what Receiver.Err returns
}

// Outcome tells a host's actor what became of an envelope that it submitted; see [Broker.Submit] for Err.
type Outcome struct {
	Envelope Envelope
	Err      error
}

// ConnectActor makes an actor of the broker's system the client of a user. It gets *[ReceiverStarted], then a *[Message]
// for each envelope, which it confirms with [Message.Confirm], and at last *[ReceiverEnded], as messages in its own
// mailbox; there are never more than 256 of them unconfirmed. When the actor stops, the receiver ends, and what it has
// not confirmed stays with the broker.
//
// Confirms are cumulative: an actor that is restarted after a failure, and has lost a message by it, must close its receiver
// in Restarting and connect anew, or it would confirm that message with the next one. ConnectActor does not wait, so an
// actor may call it for itself, when it has started. Neither its mailbox nor its dispatcher may hold up who sends to
// it, as protoactor's bounded mailbox and its synchronized dispatcher do: that is a shard.
func (b *Broker) ConnectActor(pid *actor.PID, id protocol.UserID, opts ReceiverOptions) *Receiver {
	w := &watch{receiver: b.newReceiver(id, opts), actor: pid}
	r, root := w.receiver, b.system.Root
	r.deliver = func(list []*Message) {
		for _, m := range list {
			root.Send(pid, m)
		}
	}
	r.began = func() { root.Send(pid, &ReceiverStarted{r}) }
	r.ended = w.end
	for added := false; !added; {
		w.pid, added = b.system.ProcessRegistry.Add(w, b.nextName())
	}
	w.tell(&actor.Watch{Watcher: w.pid})
	r.post(receiverAttach)
	return r
}

// SubmitFor is Submit for an actor of the broker's system: it does not wait, and the actor gets an *[Outcome]. It refuses
// what [Broker.SubmitFunc] does.
func (b *Broker) SubmitFor(pid *actor.PID, e Envelope) {
	root := b.system.Root
	b.SubmitFunc(e, func(err error) { root.Send(pid, &Outcome{Envelope: e, Err: err}) })
}

// watch is the process that protoactor tells of the end of a receiver's actor.
type watch struct {
	receiver *Receiver
	actor    *actor.PID
	pid      *actor.PID // its own
	gone     atomic.Bool
}

// tell sends the actor a message of the library.
func (w *watch) tell(message any) {
	process, _ := w.receiver.broker.system.ProcessRegistry.Get(w.actor)
	process.SendSystemMessage(w.actor, message)
}

// end follows the end of the receiver.
func (w *watch) end() {
	system := w.receiver.broker.system
	if !w.gone.Load() {
		system.Root.Send(w.actor, &ReceiverEnded{Receiver: w.receiver, Err: w.receiver.Err()})
		w.tell(&actor.Unwatch{Watcher: w.pid})
	}
	system.ProcessRegistry.Remove(w.pid)
}

// SendSystemMessage implements actor.Process.
func (w *watch) SendSystemMessage(_ *actor.PID, message any) {
	if _, terminated := message.(*actor.Terminated); terminated {
		w.gone.Store(true)
		w.receiver.Close()
	}
}

// SendUserMessage implements actor.Process. Nobody has reason to send one.
func (w *watch) SendUserMessage(*actor.PID, any) {}

// Stop implements actor.Process.
func (w *watch) Stop(*actor.PID) { w.receiver.Close() }

// LogValue implements slog.LogValuer: the log of dead letters, or a host's own, does not get what is for users alone.
func (m *Message) LogValue() slog.Value { return slog.StringValue("message of a user") }

// LogValue implements slog.LogValuer, as that of Message.
func (e Envelope) LogValue() slog.Value { return slog.StringValue("envelope of a user") }

// LogValue implements slog.LogValuer, as that of Message.
func (o *Outcome) LogValue() slog.Value { return slog.AnyValue(o.Err) }
