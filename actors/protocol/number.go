package protocol

import "math/bits"

// number reads a number.
func (s *scanner) number(i int) int {
	if s.at(i) == '-' {
		i++
	}
	if s.at(i) == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return failed
	}
	if s.at(i) == '.' {
		i = s.digits(i + 1)
	}
	if s.at(i)|0x20 == 'e' {
		i++
		if c := s.at(i); c == '+' || c == '-' {
			i++
		}
		i = s.digits(i)
	}
	return i
}

// digits reads one digit or more.
func (s *scanner) digits(i int) int {
	start := i
	for c := s.at(i); '0' <= c && c <= '9'; c = s.at(i) {
		i++
	}
	if i == start {
		return failed
	}
	return i
}

// parseWhole returns the value of a JSON number that is a whole number from 0 to 2^64-1, however it is written: 60,
// 60.0 and 6e1 are the same number to JSON, and clients in languages with one kind of number may write any. The text
// has passed the scanner. The work is linear in its length, whatever the exponent.
func parseWhole(text []byte) (uint64, bool) {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	// The value is mantissa × 10^scale. Zeros at the end of the mantissa stay out of it, in the scale, until another
	// digit follows: so the number is whole if and only if the scale is not negative, or the mantissa is zero.
	var mantissa uint64
	var zeros, scale int64
	point := int64(0)
	for i, c := range text {
		if c == '.' {
			point = 1
			continue
		}
		if c|0x20 == 'e' {
			scale += exponent(text[i+1:])
			break
		}
		scale -= point
		if c == '0' {
			zeros++
			continue
		}
		m, ok := times10(mantissa, zeros+1)
		sum, carry := bits.Add64(m, uint64(c-'0'), 0)
		if !ok || carry != 0 {
			return 0, false
		}
		mantissa, zeros = sum, 0
	}
	if mantissa == 0 {
		return 0, true
	}
	scale += zeros
	if negative || scale < 0 {
		return 0, false
	}
	return times10(mantissa, scale)
}

// times10 returns m × 10^n, and false if that does not fit.
func times10(m uint64, n int64) (uint64, bool) {
	for ; n > 0; n-- {
		high, low := bits.Mul64(m, 10)
		if high != 0 {
			return 0, false
		}
		m = low
	}
	return m, true
}

// exponent returns the value of an exponent, cut to what no number of digits that fits a frame can make up for.
func exponent(text []byte) int64 {
	const most = 1 << 40
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	value := int64(0)
	for _, c := range text {
		value = min(value*10+int64(c-'0'), most)
	}
	if negative {
		return -value
	}
	return value
}
