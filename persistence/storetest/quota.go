package storetest

import (
	"bytes"

	"github.com/enigma-protocol/enigma/persistence"
)

// sized makes an envelope to bob with a payload of n bytes.
func sized(seq uint64, n int) persistence.Pending {
	return with(envelope("bob", seq), func(p *persistence.Pending) { p.Payload = bytes.Repeat([]byte{'x'}, n) })
}

func accepted(p persistence.Pending) persistence.Pending {
	p.Accepted = true
	return p
}

var (
	three    = persistence.Quota{Messages: 3}
	hundred  = persistence.Quota{Bytes: 100}
	errQuota = persistence.ErrQuota
)

var quotaTests = []test{
	{name: "MessagesExactlyAtTheBoundInOneBatch", quota: three, check: func(s *trial) {
		s.outcomes(s.append(sized(1, 1), sized(2, 1), sized(3, 1), sized(4, 1), sized(5, 1)), nil, nil, nil, errQuota, errQuota)
		s.pending("bob", sized(1, 1), sized(2, 1), sized(3, 1))
		s.outcomes(s.append(sized(6, 1)), errQuota)
	}},
	{name: "MessagesAcrossCalls", quota: three, check: func(s *trial) {
		s.keep(sized(1, 1), sized(2, 1))
		s.reopen()
		s.outcomes(s.append(sized(3, 1), sized(4, 1)), nil, errQuota)
		s.reopen()
		s.outcomes(s.append(sized(5, 1)), errQuota)
	}},
	{name: "BytesExactlyAtTheBoundInOneBatch", quota: hundred, check: func(s *trial) {
		s.outcomes(s.append(sized(1, 60), sized(2, 40), sized(3, 1)), nil, nil, errQuota)
		s.pending("bob", sized(1, 60), sized(2, 40))
	}},
	{name: "BytesAcrossCalls", quota: hundred, check: func(s *trial) {
		s.keep(sized(1, 60))
		s.reopen()
		s.outcomes(s.append(sized(2, 41)), errQuota)
		s.keep(sized(3, 40))
		s.outcomes(s.append(sized(4, 1)), errQuota)
		s.pending("bob", sized(1, 60), sized(3, 40))
	}},
	{name: "RefusesWhatIsLargerThanTheWhole", quota: hundred, check: func(s *trial) {
		s.outcomes(s.append(sized(1, 101)), errQuota)
		s.keep(sized(2, 100))
	}},
	{name: "RefusalHoldsForTheRestOfTheCall", quota: hundred, check: func(s *trial) {
		s.outcomes(s.append(sized(1, 60), sized(2, 60), sized(3, 1), envelope("carol", 1)), nil, errQuota, errQuota, nil)
		s.pending("bob", sized(1, 60))
		s.keep(sized(4, 1)) // a later call finds room
		s.pending("bob", sized(1, 60), sized(4, 1))
	}},
	{name: "AcceptedIsExempt", quota: three, check: func(s *trial) {
		s.keep(accepted(sized(1, 1)), accepted(sized(2, 1)), accepted(sized(3, 1)), accepted(sized(4, 1)))
		s.outcomes(s.append(sized(5, 1), accepted(sized(6, 1)), sized(7, 1)), errQuota, nil, errQuota)
		s.pending("bob", sized(1, 1), sized(2, 1), sized(3, 1), sized(4, 1), sized(6, 1))
		s.confirm("bob", 3) // two are left, and the accepted ones count
		s.outcomes(s.append(sized(8, 1), sized(9, 1)), nil, errQuota)
	}},
	{name: "ConfirmMakesRoom", quota: three, check: func(s *trial) {
		s.keep(sized(1, 1), sized(2, 1), sized(3, 1))
		s.confirm("bob", 2)
		s.outcomes(s.append(sized(4, 1), sized(5, 1), sized(6, 1)), nil, nil, errQuota)
		s.confirm("bob", 100)
		s.reopen()
		s.outcomes(s.append(sized(7, 1), sized(8, 1), sized(9, 1), sized(10, 1)), nil, nil, nil, errQuota)
	}},
	{name: "ConfirmGivesBackBytes", quota: hundred, check: func(s *trial) {
		s.keep(sized(1, 10), sized(2, 20), sized(3, 70))
		s.confirm("bob", 2)
		s.outcomes(s.append(sized(4, 31)), errQuota)
		s.outcomes(s.append(sized(5, 30), sized(6, 1)), nil, errQuota)
		s.reopen()
		s.outcomes(s.append(sized(7, 1)), errQuota)
	}},
	{name: "ExpiryMakesRoom", quota: three, check: func(s *trial) {
		s.keep(expiring("bob", 1, now+10), expiring("bob", 2, now+20), expiring("bob", 3, now+10))
		s.expire(now+10, 10, 2)
		s.outcomes(s.append(sized(4, 1), sized(5, 1), sized(6, 1)), nil, nil, errQuota)
		s.reopen()
		s.outcomes(s.append(sized(7, 1)), errQuota)
	}},
	{name: "ExpiryGivesBackBytes", quota: hundred, check: func(s *trial) {
		s.keep(sized(1, 50), with(sized(2, 50), func(p *persistence.Pending) { p.Expires = now + 10 }))
		s.expire(now+10, 10, 1)
		s.outcomes(s.append(sized(3, 50), sized(4, 1)), nil, errQuota)
	}},
	{name: "RefusedIsNotTheHighest", quota: three, check: func(s *trial) {
		s.outcomes(s.append(sized(1, 1), sized(2, 1), sized(3, 1), sized(9, 1)), nil, nil, nil, errQuota)
		s.confirm("bob", 3)
		s.keep(sized(4, 1)) // below the refused one, and new
		s.pending("bob", sized(4, 1))
	}},
	{name: "RepeatOfWhatIsKeptSucceedsWhenFull", quota: three, check: func(s *trial) {
		s.keep(identified(sized(1, 1), "a"), sized(2, 1), sized(3, 1))
		s.outcomes(s.append(identified(sized(1, 1), "a"), sized(2, 1), sized(3, 1), sized(4, 1)), nil, nil, nil, errQuota)
	}},
	{name: "IsPerUser", quota: three, check: func(s *trial) {
		s.keep(sized(1, 1), sized(2, 1), sized(3, 1))
		s.outcomes(s.append(sized(4, 1), envelope("carol", 1), envelope("carol", 2)), errQuota, nil, nil)
	}},
	{name: "ZeroIsNoBound", check: func(s *trial) {
		var batch []persistence.Pending
		for seq := uint64(1); seq <= 2000; seq++ {
			batch = append(batch, sized(seq, 1000))
		}
		s.keep(batch...)
		s.pending("bob", batch...)
	}},
}
