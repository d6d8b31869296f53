package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// HPKE (RFC 9180) for one message, in mode_auth and one suite. The standard library's crypto/hpke has the base mode only.

const (
	modeAuth = 0x02

	secretLen = 32 // Nsecret, Nh
	keyLen    = 16 // Nk of AES-128-GCM
	nonceLen  = 12 // Nn
	encLen    = 32 // Nenc, Npk
	tagLen    = 16 // Nt
)

// The suite identifiers of sections 4.1 and 5.1: DHKEM(X25519, HKDF-SHA256) is 0x0020, HKDF-SHA256 and AES-128-GCM are
// 0x0001.
const (
	kemSuite  = "KEM\x00\x20"
	hpkeSuite = "HPKE\x00\x20\x00\x01\x00\x01"
)

// errOpen is all that is said of a ciphertext that does not open.
var errOpen = errors.New("does not open")

// sealAuth is SealAuth of section 6.1 with the ephemeral key given, which must be fresh. It returns enc and ciphertext.
func sealAuth(ephemeral, sender *ecdh.PrivateKey, recipient *ecdh.PublicKey, info, aad, plaintext []byte) ([]byte, error) {
	one, err := ephemeral.ECDH(recipient) // fails on points of small order, here and below
	if err != nil {
		return nil, err
	}
	two, err := sender.ECDH(recipient)
	if err != nil {
		return nil, err
	}
	enc := ephemeral.PublicKey().Bytes()
	aead, nonce, err := schedule(append(one, two...), kemContext(enc, recipient, sender.PublicKey()), info)
	if err != nil {
		return nil, err
	}
	out := make([]byte, encLen, encLen+len(plaintext)+tagLen)
	copy(out, enc)
	return aead.Seal(out, nonce, plaintext, aad), nil
}

// openAuth is OpenAuth of section 6.1. It is errOpen unless the holder of sender sealed the message for recipient, info
// and aad.
func openAuth(recipient *ecdh.PrivateKey, sender *ecdh.PublicKey, info, aad, message []byte) ([]byte, error) {
	if len(message) < encLen+tagLen {
		return nil, errOpen
	}
	enc, ciphertext := message[:encLen], message[encLen:]
	ephemeral, err := ecdh.X25519().NewPublicKey(enc)
	if err != nil {
		return nil, errOpen
	}
	one, err := recipient.ECDH(ephemeral)
	if err != nil {
		return nil, errOpen
	}
	two, err := recipient.ECDH(sender)
	if err != nil {
		return nil, errOpen
	}
	aead, nonce, err := schedule(append(one, two...), kemContext(enc, recipient.PublicKey(), sender), info)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(nil, nonce, ciphertext, aad)
	if err != nil {
		return nil, errOpen
	}
	return plaintext, nil
}

// kemContext is the kem_context of AuthEncap and AuthDecap.
func kemContext(enc []byte, recipient, sender *ecdh.PublicKey) []byte {
	context := make([]byte, 0, 3*encLen)
	context = append(context, enc...)
	context = append(context, recipient.Bytes()...)
	return append(context, sender.Bytes()...)
}

// keys are what sections 4.1 (the shared secret) and 5.1 (the rest) derive.
type keys struct{ secret, key, nonce []byte }

// derive makes the keys of the two Diffie-Hellman results. The errors are those of lengths that do not occur here.
func derive(dh, context, info []byte) (k keys, err error) {
	prk, err := labeledExtract(kemSuite, nil, "eae_prk", dh)
	if err != nil {
		return k, err
	}
	if k.secret, err = labeledExpand(kemSuite, prk, "shared_secret", context, secretLen); err != nil {
		return k, err
	}
	idHash, err := labeledExtract(hpkeSuite, nil, "psk_id_hash", nil)
	if err != nil {
		return k, err
	}
	infoHash, err := labeledExtract(hpkeSuite, nil, "info_hash", info)
	if err != nil {
		return k, err
	}
	secret, err := labeledExtract(hpkeSuite, k.secret, "secret", nil)
	if err != nil {
		return k, err
	}
	scheduleContext := append(append([]byte{modeAuth}, idHash...), infoHash...)
	if k.key, err = labeledExpand(hpkeSuite, secret, "key", scheduleContext, keyLen); err != nil {
		return k, err
	}
	k.nonce, err = labeledExpand(hpkeSuite, secret, "base_nonce", scheduleContext, nonceLen)
	return k, err
}

// schedule returns the cipher of a message and its nonce, which for sequence number 0 is the base nonce.
func schedule(dh, context, info []byte) (cipher.AEAD, []byte, error) {
	k, err := derive(dh, context, info)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(k.key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, k.nonce, err
}

// version begins every labelled input (section 4).
const version = "HPKE-v1"

func labeledExtract(suite string, salt []byte, label string, ikm []byte) ([]byte, error) {
	return hkdf.Extract(sha256.New, append([]byte(version+suite+label), ikm...), salt)
}

func labeledExpand(suite string, prk []byte, label string, info []byte, length int) ([]byte, error) {
	labeled := binary.BigEndian.AppendUint16(nil, uint16(length))
	labeled = append(labeled, version+suite+label...)
	labeled = append(labeled, info...)
	return hkdf.Expand(sha256.New, prk, string(labeled), length)
}
