package seal

import "crypto/ecdh"

// SealAuth is sealAuth, for known answers: the ephemeral key is given.
func SealAuth(ephemeral, sender *ecdh.PrivateKey, recipient *ecdh.PublicKey, info, aad, plaintext []byte) ([]byte, error) {
	return sealAuth(ephemeral, sender, recipient, info, aad, plaintext)
}

// OpenAuth is openAuth.
func OpenAuth(recipient *ecdh.PrivateKey, sender *ecdh.PublicKey, info, aad, message []byte) ([]byte, error) {
	return openAuth(recipient, sender, info, aad, message)
}

// Derive returns what the key schedule makes of the two Diffie-Hellman results.
func Derive(dh, enc []byte, recipient, sender *ecdh.PublicKey, info []byte) (secret, key, nonce []byte, err error) {
	k, err := derive(dh, kemContext(enc, recipient, sender), info)
	return k.secret, k.key, k.nonce, err
}

// SealPlaintext seals any plaintext, as a sender that keeps to no format could.
func (s *Self) SealPlaintext(to *User, ephemeral *ecdh.PrivateKey, plaintext []byte) (string, error) {
	message, err := sealAuth(ephemeral, s.private, to.key, info(s.id, to.id), aad(s.id, to.id), plaintext)
	return prefix + strict.EncodeToString(message), err
}

// OpenPlaintext opens without reading what is inside.
func (s *Self) OpenPlaintext(from *User, payload string) ([]byte, error) {
	message, err := decode(payload[len(prefix):])
	if err != nil {
		return nil, err
	}
	return openAuth(s.private, from.key, info(from.id, s.id), aad(from.id, s.id), message)
}
