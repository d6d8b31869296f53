package storetest

import "github.com/enigma-protocol/enigma/persistence"

var (
	errDuplicate = persistence.ErrDuplicate
	errConflict  = persistence.ErrConflict
)

// sent makes an envelope to bob with an id and a payload.
func sent(seq uint64, id, payload string) persistence.Pending {
	return with(envelope("bob", seq), func(p *persistence.Pending) { p.ID, p.Payload = id, []byte(payload) })
}

var idTests = []test{
	{name: "SameSeqSucceeds", check: func(s *trial) {
		s.keep(sent(1, "a", "x"))
		s.keep(sent(1, "a", "x"))
		s.reopen()
		s.keep(sent(1, "a", "x"))
		s.pending("bob", sent(1, "a", "x"))
	}},
	{name: "SamePayloadIsADuplicate", check: func(s *trial) {
		s.keep(sent(1, "a", "x"))
		s.outcomes(s.append(sent(2, "a", "x")), errDuplicate)
		s.reopen()
		s.outcomes(s.append(sent(3, "a", "x")), errDuplicate)
		s.pending("bob", sent(1, "a", "x"))
	}},
	{name: "OtherPayloadIsAConflict", check: func(s *trial) {
		s.keep(sent(1, "a", "x"))
		s.outcomes(s.append(sent(2, "a", "y")), errConflict)
		s.reopen()
		s.outcomes(s.append(sent(3, "a", "xx"), sent(4, "a", "")), errConflict, errConflict)
		s.pending("bob", sent(1, "a", "x"))
	}},
	{name: "WithinOneBatch", check: func(s *trial) {
		s.outcomes(s.append(sent(1, "a", "x"), sent(2, "a", "x"), sent(3, "a", "y"), sent(4, "b", "x")),
			nil, errDuplicate, errConflict, nil)
		s.pending("bob", sent(1, "a", "x"), sent(4, "b", "x"))
	}},
	{name: "RefusalOfOneLeavesTheLaterOnes", check: func(s *trial) {
		s.keep(sent(1, "a", "x"))
		s.outcomes(s.append(sent(2, "a", "x"), sent(3, "b", "x"), sent(4, "a", "y"), sent(5, "", "x")),
			errDuplicate, nil, errConflict, nil)
		s.pending("bob", sent(1, "a", "x"), sent(3, "b", "x"), sent(5, "", "x"))
	}},
	{name: "ComesBeforeTheHighest", check: func(s *trial) {
		s.keep(sent(5, "a", "x"), sent(9, "", "z"))
		s.outcomes(s.append(sent(3, "a", "x"), sent(4, "a", "y"), sent(6, "c", "x")), errDuplicate, errConflict, nil)
		s.pending("bob", sent(5, "a", "x"), sent(9, "", "z"))
	}},
	{name: "ComesBeforeTheQuota", quota: three, check: func(s *trial) {
		s.keep(sent(1, "a", "x"), sent(2, "b", "x"), sent(3, "c", "x"))
		s.outcomes(s.append(sent(4, "d", "x"), sent(5, "a", "x"), sent(6, "b", "y")), errQuota, errDuplicate, errConflict)
	}},
	{name: "RefusedDoesNotTakeTheID", quota: three, check: func(s *trial) {
		s.keep(sent(1, "a", "x"), sent(2, "b", "x"), sent(3, "c", "x"))
		s.outcomes(s.append(sent(4, "d", "x")), errQuota)
		s.confirm("bob", 3)
		s.keep(sent(5, "d", "other"))
	}},
	{name: "IsPerSenderAndRecipient", check: func(s *trial) {
		fromCarol := with(sent(2, "a", "x"), func(p *persistence.Pending) { p.From = user("carol") })
		toCarol := with(sent(1, "a", "x"), func(p *persistence.Pending) { p.To = user("carol") })
		s.keep(sent(1, "a", "x"), fromCarol, toCarol, sent(3, "A", "x"), sent(4, "aa", "x"))
		s.pending("bob", sent(1, "a", "x"), fromCarol, sent(3, "A", "x"), sent(4, "aa", "x"))
		s.pending("carol", toCarol)
	}},
	{name: "EmptyIsNone", check: func(s *trial) {
		s.keep(sent(1, "", "x"), sent(2, "", "x"), sent(3, "", "y"))
		s.pending("bob", sent(1, "", "x"), sent(2, "", "x"), sent(3, "", "y"))
	}},
	{name: "FreedByConfirm", check: func(s *trial) {
		s.keep(sent(1, "a", "x"), sent(2, "b", "x"))
		s.confirm("bob", 1)
		s.outcomes(s.append(sent(3, "a", "x"), sent(4, "b", "x")), nil, errDuplicate)
		s.confirm("bob", 4)
		s.reopen()
		s.keep(sent(5, "a", "y"), sent(6, "b", "y"))
		s.outcomes(s.append(sent(7, "a", "y")), errDuplicate)
	}},
	{name: "FreedByExpiry", check: func(s *trial) {
		short := with(sent(1, "a", "x"), func(p *persistence.Pending) { p.Expires = now + 10 })
		s.keep(short, sent(2, "b", "x"))
		s.expire(now+10, 10, 1)
		s.reopen()
		s.outcomes(s.append(sent(3, "a", "y"), sent(4, "b", "x")), nil, errDuplicate)
		s.pending("bob", sent(2, "b", "x"), sent(3, "a", "y"))
	}},
	{name: "FreedByALargeConfirm", check: func(s *trial) {
		var batch []persistence.Pending
		for i := range 300 {
			batch = append(batch, sent(uint64(i+1), string(rune('a'+i%26))+string(rune('a'+i/26)), "x"))
		}
		s.keep(batch...)
		s.confirm("bob", 299)
		s.outcomes(s.append(sent(301, batch[0].ID, "y"), sent(302, batch[298].ID, "y"), sent(303, batch[299].ID, "x")),
			nil, nil, errDuplicate)
	}},
}
