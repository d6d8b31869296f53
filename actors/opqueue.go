package actors

import (
	"context"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// opQueue is the mailbox of a persistence actor: it gives the actor all that has gathered, up to the bounds of a
// batch, in one invocation, on a goroutine that lives while there is work.
type opQueue struct {
	invoker actor.MessageInvoker

	mu      sync.Mutex
	rested  sync.Cond // with mu: signalled when the goroutine ends
	ops     []*op
	other   []any // messages of the library, and retryBlocked
	running bool
	stopped bool // takes nothing more
	ready   bool
}

func newOpQueue() *opQueue {
	q := &opQueue{}
	q.rested.L = &q.mu
	return q
}

type opBatch struct{ ops []*op }

// post adds ops, from any goroutine.
func (q *opQueue) post(ops []*op) {
	q.mu.Lock()
	q.ops = append(q.ops, ops...)
	q.schedule()
}

// schedule starts the goroutine if none runs, and unlocks.
func (q *opQueue) schedule() {
	start := q.ready && !q.running && !q.stopped
	q.running = q.running || start
	q.mu.Unlock()
	if start {
		go q.run()
	}
}

// PostUserMessage implements actor.Mailbox.
func (q *opQueue) PostUserMessage(message any) { q.postOther(message) }

// PostSystemMessage implements actor.Mailbox.
func (q *opQueue) PostSystemMessage(message any) { q.postOther(message) }

func (q *opQueue) postOther(message any) {
	if message == nil {
		return
	}
	q.mu.Lock()
	q.other = append(q.other, message)
	q.schedule()
}

// RegisterHandlers implements actor.Mailbox.
func (q *opQueue) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	q.invoker = invoker
}

// Start implements actor.Mailbox.
func (q *opQueue) Start() {
	q.mu.Lock()
	q.ready = true
	q.schedule()
}

// UserMessageCount implements actor.Mailbox.
func (q *opQueue) UserMessageCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops)
}

func (q *opQueue) run() {
	for {
		q.mu.Lock()
		other, ops := q.other, q.takeBatch()
		q.other = nil
		if len(other) == 0 && len(ops) == 0 {
			q.running = false
			q.rested.Broadcast()
			q.mu.Unlock()
			return
		}
		q.mu.Unlock()
		for _, message := range other {
			q.invoke(message)
		}
		if len(ops) > 0 {
			q.invoke(&opBatch{ops: ops})
		}
	}
}

// takeBatch removes the ops of the next batch. mu is held.
func (q *opQueue) takeBatch() []*op {
	n, envelopes, bytes := 0, 0, 0
	for n < len(q.ops) && envelopes < batchEnvelopes && bytes < batchBytes {
		envelopes++
		switch o := q.ops[n]; o.kind {
		case opAppend:
			envelopes += len(o.append.pending) - 1
			bytes += len(o.append.buf)
		case opRead:
			bytes += min(o.read.Bytes, batchBytes/8)
		}
		n++
	}
	batch := q.ops[:n:n]
	q.ops = q.ops[n:]
	if len(q.ops) == 0 {
		q.ops = nil
	}
	return batch
}

func (q *opQueue) invoke(message any) {
	switch message.(type) {
	case *actor.Started, *actor.Stop, *actor.Watch, *actor.Unwatch, *actor.Terminated, *actor.Failure:
		q.invoker.InvokeSystemMessage(message)
	case *actor.SuspendMailbox, *actor.ResumeMailbox, *actor.Restart:
	default:
		q.invoker.InvokeUserMessage(message)
	}
}

// drain waits until all that was posted has been served, or ctx ends. With stop, what comes later is dropped.
func (q *opQueue) drain(ctx context.Context, stop bool) {
	wake := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		q.rested.Broadcast()
		q.mu.Unlock()
	})
	defer wake()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running && ctx.Err() == nil {
		q.rested.Wait()
	}
	q.stopped = q.stopped || stop
}

// unserved returns how many accepted envelopes are queued.
func (q *opQueue) unserved() (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range q.ops {
		if o.kind == opAppend && o.accepted {
			n += len(o.append.pending)
		}
	}
	return n
}
