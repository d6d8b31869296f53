package redis

import (
	"context"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// call is one command for the keys of one user. Its strings may share memory with the batch they were made in, which
// must then stay as it is until the call has been answered for good.
type call struct {
	op   op
	keys []string
	args []string
}

// maxPipeline bounds the commands of one pipeline, the transaction's two included.
const maxPipeline = 1024

// exec runs calls that are independent of one another and fills one result per call.
//
// Without a cluster, a batch of writes goes as one transaction: Redis executes it in one turn of its event loop and
// syncs its append-only file once, where a bare pipeline is read in pieces of some 16 KiB with a sync each. In a
// cluster a transaction may not span slots. Memory being exhausted, Redis queues nothing into a transaction, also not
// what frees memory: see [Store.again].
func (s *Store) exec(ctx context.Context, calls []call, transact bool) []rueidis.RedisResult {
	results := make([]rueidis.RedisResult, len(calls))
	transact = transact && !s.clustered && len(calls) > 1
	for from := 0; from < len(calls); from += maxPipeline - 2 {
		to := min(from+maxPipeline-2, len(calls))
		if err := unmade(ctx); err != nil {
			fill(results[from:], err)
			break
		}
		if transact {
			s.transaction(ctx, calls[from:to], results[from:to])
		} else {
			s.pipeline(ctx, calls[from:to], results[from:to], false)
		}
	}
	s.supply(ctx, calls, results)
	return results
}

// supply gives the servers our functions if a result says that they lack them, and repeats those calls: nothing of them
// was executed. Plain scripts are sent in full, which makes the server keep them.
func (s *Store) supply(ctx context.Context, calls []call, results []rueidis.RedisResult) {
	repeat, places := refused(calls, results, missing)
	if len(repeat) == 0 {
		return
	}
	if err := s.load(ctx); err == nil {
		s.bare.Store(false)
	} else if !s.bare.Swap(true) { // every batch comes here until a load succeeds
		s.log.Warn("redis functions not loaded", "error", err)
	}
	fresh := make([]rueidis.RedisResult, len(repeat))
	for from := 0; from < len(repeat); from += maxPipeline {
		to := min(from+maxPipeline, len(repeat))
		s.pipeline(ctx, repeat[from:to], fresh[from:to], true)
	}
	for i := range fresh {
		results[places[i]] = fresh[i]
	}
}

// again makes other calls in place of those that were refused because memory is exhausted, and replaces their results.
func (s *Store) again(ctx context.Context, calls []call, results []rueidis.RedisResult, substitute func(call) call) {
	repeat, places := refused(calls, results, outOfMemory)
	for i := range repeat {
		repeat[i] = substitute(repeat[i])
	}
	for i, r := range s.exec(ctx, repeat, false) {
		results[places[i]] = r
	}
}

// refused picks the calls whose result is a refusal that matches, and their places.
func refused(calls []call, results []rueidis.RedisResult, match func(string) bool) (some []call, places []int) {
	for i := range results {
		if text := refusal(results[i].Error()); text != "" && match(text) {
			some, places = append(some, calls[i]), append(places, i)
		}
	}
	return some, places
}

// pipeline sends calls together, each on its own. With whole, scripts are sent in full.
func (s *Store) pipeline(ctx context.Context, calls []call, results []rueidis.RedisResult, whole bool) {
	cmds := make(rueidis.Commands, len(calls))
	for i := range calls {
		cmds[i] = s.build(&calls[i], whole)
	}
	copy(results, s.client.DoMulti(ctx, cmds...))
	// A slot without a node fails the whole pipeline before anything is sent. Halve it until the others get through.
	if len(calls) > 1 && results[0].NonRedisError() == rueidis.ErrNoSlot {
		middle := len(calls) / 2
		s.pipeline(ctx, calls[:middle], results[:middle], whole)
		s.pipeline(ctx, calls[middle:], results[middle:], whole)
	}
}

// transaction sends calls between MULTI and EXEC. The client writes one DoMulti in one piece, so that no other call
// comes in between.
func (s *Store) transaction(ctx context.Context, calls []call, results []rueidis.RedisResult) {
	cmds := make(rueidis.Commands, 0, len(calls)+2)
	cmds = append(cmds, s.client.B().Multi().Build())
	for i := range calls {
		cmds = append(cmds, s.build(&calls[i], false))
	}
	cmds = append(cmds, s.client.B().Exec().Build())
	replies := s.client.DoMulti(ctx, cmds...)
	queued, last := replies[1:len(replies)-1], replies[len(replies)-1]
	if refusal(replies[0].Error()) != "" {
		copy(results, queued) // MULTI is forbidden: each was executed on its own
		return
	}
	executed, err := last.ToArray()
	if err == nil && len(executed) == len(results) {
		for i := range executed {
			results[i] = rueidis.NewResult(executed[i], nil)
		}
		return
	}
	fill(results, aborted(err, queued))
}

// aborted is why a transaction was not executed: what refused one of its commands says more than EXECABORT.
func aborted(err error, queued []rueidis.RedisResult) error {
	if strings.HasPrefix(refusal(err), "EXECABORT") {
		for i := range queued {
			if why := queued[i].Error(); refusal(why) != "" {
				return why
			}
		}
	}
	return err
}

func fill(results []rueidis.RedisResult, err error) {
	for i := range results {
		results[i] = rueidis.NewErrorResult(err)
	}
}

// build makes the client's command of a call.
func (s *Store) build(c *call, whole bool) rueidis.Completed {
	b := s.client.B()
	if c.op > functions {
		return b.Arbitrary(command[c.op]).Keys(c.keys...).Args(c.args...).Build()
	}
	script := &scripts[c.op]
	keys := numKeys[len(c.keys)]
	switch {
	case !s.plain.Load():
		return b.Arbitrary("FCALL", script.name, keys).Keys(c.keys...).Args(c.args...).Build()
	case whole:
		return b.Arbitrary("EVAL", script.text, keys).Keys(c.keys...).Args(c.args...).Build()
	}
	return b.Arbitrary("EVALSHA", script.sha, keys).Keys(c.keys...).Args(c.args...).Build()
}

var numKeys = [...]string{"0", "1", "2", "3"}

// decimal formats a number as an argument.
func decimal[T int | int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// decimalSeq formats a seq, or what a caller gave for one.
func decimalSeq(n uint64) string { return strconv.FormatUint(n, 10) }
