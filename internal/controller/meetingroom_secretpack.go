// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// maxSecretData is how many bytes of keys and values go into one Secret. The API server takes 1 MiB, etcd 1.5 MiB,
	// base64 included.
	maxSecretData = 700 << 10

	// maxTokenSecrets bounds how many Secrets of a room are looked for. 1000 tokens of the greatest length need six.
	maxTokenSecrets = 32

	hashedKeyPrefix = "sha256-"
	sharedKeyPrefix = "shared."
)

// tokenSecretName is the name of a room's n-th token Secret. It contains the room's UID, so that a room made anew under
// the same name never finds the old one's.
func tokenSecretName(room types.UID, n int) string {
	return fmt.Sprintf("room-tokens-%s-%d", room, n)
}

// tokenSecretKey is the key of a token in a Secret: the participant's name where it is a valid key, else a hash of it;
// for a shared token "shared." and the role. Different tokens have different keys: a name that looks like one of the
// other two is hashed.
func tokenSecretKey(id tokenID) string {
	switch {
	case id.shared:
		return sharedKeyPrefix + id.name
	case len(validation.IsConfigMapKey(id.name)) > 0, strings.HasPrefix(id.name, hashedKeyPrefix),
		strings.HasPrefix(id.name, sharedKeyPrefix):
		sum := sha256.Sum256([]byte(id.name))
		return hashedKeyPrefix + hex.EncodeToString(sum[:16])
	default:
		return id.name
	}
}

// packedToken is a token that goes into a Secret.
type packedToken struct {
	key string
	// text is the token; "" for one that is in a Secret already and stays as it is.
	text string
}

// packTokens distributes tokens over Secrets, given the data of those that exist. What is in one stays there while it
// fits; the rest goes where there is room, at last into further ones. Secrets without any token at the end fall away;
// the others keep their number. It returns the new data, and the number of each key's Secret.
func packTokens(existing []map[string][]byte, tokens []packedToken) ([]map[string][]byte, map[string]int) {
	at := map[string]int{}
	for n, data := range slices.Backward(existing) {
		for key := range data {
			at[key] = n
		}
	}
	packed := make([]map[string][]byte, len(existing))
	sizes := make([]int, len(existing))
	where := make(map[string]int, len(tokens))
	put := func(n int, key string, text []byte) bool {
		size := len(key) + len(text)
		if sizes[n]+size > maxSecretData {
			return false
		}
		if packed[n] == nil {
			packed[n] = map[string][]byte{}
		}
		packed[n][key], where[key] = text, n
		sizes[n] += size
		return true
	}
	for _, t := range tokens { // first what stays: it fits where it is
		if n, known := at[t.key]; known && t.text == "" {
			put(n, t.key, existing[n][t.key])
		}
	}
	var homeless []packedToken
	for _, t := range tokens {
		if n, known := at[t.key]; t.text != "" && (!known || !put(n, t.key, []byte(t.text))) {
			homeless = append(homeless, t)
		}
	}
	next := 0
	for _, t := range homeless {
		n := next
		for n < len(packed) && !put(n, t.key, []byte(t.text)) {
			n++
		}
		if n == len(packed) {
			packed, sizes = append(packed, nil), append(sizes, 0)
			put(n, t.key, []byte(t.text))
		}
		next = n // those before are full, or nearly
	}
	for len(packed) > 0 && len(packed[len(packed)-1]) == 0 {
		packed = packed[:len(packed)-1]
	}
	return packed, where
}
