package wal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Encryption of frames: AES-256-GCM. A nonce must never be used twice with a key.
//
// Every segment has a key of its own, derived by HKDF-SHA256 from the operator's key
// and the segment's header, which has 32 random bytes. Within a segment the nonce is
// the frame's first version. A version is given out once, also to a group that is
// refused in the end, and a segment is written by one run of one process, which
// knows the last version that it gave out. So neither a torn frame that is followed
// by another, nor a clock that is set back, nor a restored copy of the folder brings
// a nonce back: the first start behind any of them writes a new segment.
//
// The frame's header and its offset are authenticated with it: a frame cannot be
// moved. All of the segment's header goes into the key, also what it says about
// the segment before it, so a segment in the middle cannot be taken away.
const (
	keySize = 32
	keyID   = 8
	gcmTag  = 16
)

// segmentCipher returns the cipher of a segment, given its header.
func segmentCipher(key, salt, header []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, salt, "flowgauge wal segment\x00"+string(header), keySize)
	if err != nil {
		return nil, fmt.Errorf("derive segment key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("make segment cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make segment cipher: %w", err)
	}
	return aead, nil
}

// encrypt encrypts what is behind the frame's header, in place, and appends the tag.
func encrypt(aead cipher.AEAD, frame []byte, at int64) []byte {
	nonce, data := bound(frame, at)
	return aead.Seal(frame[:frameHeader], nonce, frame[frameHeader:], data)
}

// decrypt decrypts what is behind the frame's header, in place.
func decrypt(aead cipher.AEAD, frame []byte, at int64) ([]byte, error) {
	nonce, data := bound(frame, at)
	body := frame[frameHeader:]
	return aead.Open(body[:0], nonce, body, data)
}

// bound returns a frame's nonce and what is authenticated beside the records.
func bound(frame []byte, at int64) (nonce, data []byte) {
	nonce = make([]byte, 12)
	copy(nonce, frame[12:20]) // the first version
	data = binary.LittleEndian.AppendUint64(append(make([]byte, 0, 28), frame[:20]...), uint64(at))
	return nonce, data
}
