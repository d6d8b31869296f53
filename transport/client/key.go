package client

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/enigma-protocol/enigma/actors/protocol"
)

// Key is a user's key pair, of a kind whose possession can be proved: X25519, P-256, Ed25519, or RSA of 2,048 to 4,096
// bits. It is a [Prover]; give it to [WithKey]. It does not change, and is safe for concurrent use.
type Key struct {
	private crypto.PrivateKey
	public  string
}

// GenerateKey makes a new X25519 key pair.
func GenerateKey() (*Key, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("enigma: generate key: %w", err)
	}
	return NewKey(private, "")
}

// NewKey makes a Key of a private key: an *ecdh.PrivateKey of X25519 or P-256, an *ecdsa.PrivateKey of P-256, an
// ed25519.PrivateKey, an *rsa.PrivateKey, or another crypto.Signer with a key of the last two kinds.
//
// publicKey is the string with which the user logs in, and of which its id is a hash; it must be one of those that a
// server takes for a provable key, and belong to private. Empty, it is "x25519:", "p256:" or "ed25519:" and the key in
// base64url, or for RSA the base64 of its SPKI. Another string for the same key is another user.
func NewKey(private crypto.PrivateKey, publicKey string) (*Key, error) {
	if publicKey == "" {
		var err error
		if publicKey, err = publicString(private); err != nil {
			return nil, err
		}
	}
	k := &Key{private: private, public: publicKey}
	provable, ok := protocol.ParseProvableKey([]byte(publicKey))
	if !ok {
		return nil, fmt.Errorf("enigma: key: %w", protocol.ErrNotProvable)
	}
	// The surest way to know that it can prove is to prove.
	challenge, err := provable.Challenge(time.Now())
	if err == nil {
		_, err = protocol.Prove(private, challenge, &protocol.Claim{Authority: "localhost", PublicKey: []byte(publicKey)})
	}
	if err != nil {
		return nil, fmt.Errorf("enigma: key: %w", err)
	}
	return k, nil
}

// publicString is the public key as a user logs in with that has no reason to do otherwise.
func publicString(private crypto.PrivateKey) (string, error) {
	owner, ok := private.(interface{ Public() crypto.PublicKey })
	if !ok {
		return "", fmt.Errorf("enigma: key: a %T is no private key of a kind that can be proved", private)
	}
	public := owner.Public()
	if k, ok := public.(*ecdsa.PublicKey); ok {
		if converted, err := k.ECDH(); err == nil {
			public = converted
		}
	}
	typed := func(alg string, raw []byte) (string, error) {
		return alg + ":" + base64.RawURLEncoding.EncodeToString(raw), nil
	}
	switch k := public.(type) {
	case *ecdh.PublicKey:
		switch k.Curve() {
		case ecdh.X25519():
			return typed(protocol.AlgX25519, k.Bytes())
		case ecdh.P256():
			return typed(protocol.AlgP256, k.Bytes())
		}
	case ed25519.PublicKey:
		return typed(protocol.AlgEd25519, k)
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(k)
		return base64.StdEncoding.EncodeToString(der), err
	}
	return "", fmt.Errorf("enigma: key: %w", protocol.ErrNotProvable)
}

// pemType is the label of a PKCS #8 private key (RFC 7468, section 10).
const pemType = "PRIVATE KEY"

// maxKeyFile bounds a key file; an RSA key of 4,096 bits takes 3.3 KB.
const maxKeyFile = 64 << 10

// ParseKey reads a private key in PKCS #8 PEM, as [Key.MarshalPEM] and openssl genpkey write it. The public key has the
// form that [NewKey] gives it; a user who logs in with another gets its Key by NewKey(k.Private(), publicKey).
func ParseKey(text []byte) (*Key, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, errors.New("enigma: key: no PEM block of type " + pemType + ": convert it with openssl pkcs8 -topk8 -nocrypt")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("enigma: key: malformed PKCS #8") // the library's words could hold parts of it
	}
	return NewKey(private, "")
}

// MarshalPEM returns the private key in PKCS #8 PEM. It fails for a key that does not leave its token.
func (k *Key) MarshalPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("enigma: key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// LoadKey reads a file that [Key.Save] has written, or another with a private key in PKCS #8 PEM. A missing file is
// fs.ErrNotExist. Who else may read or change the file is not looked at: one that was copied or mounted may be open to
// others, and who reads it can be that user.
func LoadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("enigma: key: %w", err)
	}
	if info.Size() > maxKeyFile {
		return nil, fmt.Errorf("enigma: key: %s has %d bytes: no key file is as large", path, info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("enigma: key: %w", err)
	}
	return ParseKey(text)
}

// Save writes the private key to a new file, for its owner's eyes only. A file that exists is fs.ErrExist and stays as
// it is: who loses a key loses its id. The file is on disk when Save returns, and so is its name, where the system can be
// asked for that.
func (k *Key) Save(path string) error {
	text, err := k.MarshalPEM()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("enigma: key: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(path)) // half a key would stand in the way of the next
		return fmt.Errorf("enigma: key: %w", err)
	}
	return nil
}

// syncDir puts the names in a directory on disk. Not every system and file system can do that, and a directory that may be
// written to need not be one that may be read: an error is only what says that the disk has failed.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer dir.Close()
	err = dir.Sync()
	if errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return nil
}

// LoadOrGenerateKey loads the key in a file, or makes one and saves it there if there is no file.
func LoadOrGenerateKey(path string) (*Key, error) {
	k, err := LoadKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if k, err = GenerateKey(); err != nil {
		return nil, err
	}
	if err := k.Save(path); err != nil {
		return nil, err
	}
	return k, nil
}

// PublicKey returns the public key as the user logs in with it.
func (k *Key) PublicKey() string { return k.public }

// Private returns the private key, for what else it is good for.
func (k *Key) Private() crypto.PrivateKey { return k.private }

// ID returns the id of the key's user.
func (k *Key) ID() string { return protocol.NewUserID([]byte(k.public)).String() }

// Prove implements [Prover].
func (k *Key) Prove(ctx context.Context, c *protocol.Challenge, claim protocol.Claim) (protocol.Proof, error) {
	return keyProver{k.public, k.private}.Prove(ctx, c, claim)
}
