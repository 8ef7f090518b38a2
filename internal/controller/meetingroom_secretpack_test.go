// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"
)

func TestTokenSecretKey(t *testing.T) {
	tests := map[string]struct {
		id   tokenID
		want string // "" for a hash
	}{
		"valid key":              {id: tokenID{name: "ada.lovelace_1-2"}, want: "ada.lovelace_1-2"},
		"blank":                  {id: tokenID{name: "Ms Jones"}},
		"not ASCII":              {id: tokenID{name: "Zoë"}},
		"dots":                   {id: tokenID{name: ".."}},
		"shared":                 {id: tokenID{name: "Host", shared: true}, want: "shared.Host"},
		"looks like a shared":    {id: tokenID{name: "shared.Host"}},
		"looks like a hash":      {id: tokenID{name: "sha256-0123"}},
		"the name of a role":     {id: tokenID{name: "Host"}, want: "Host"},
		"a name with a slash":    {id: tokenID{name: "a/b"}},
		"a name with two dots":   {id: tokenID{name: "..ada"}},
		"a name of 64 of them":   {id: tokenID{name: strings.Repeat("a", 64)}, want: strings.Repeat("a", 64)},
		"a name of 64 runes (ł)": {id: tokenID{name: strings.Repeat("ł", 64)}},
	}
	seen := map[string]string{}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := tokenSecretKey(tc.id)
			if errs := validation.IsConfigMapKey(got); len(errs) > 0 {
				t.Errorf("%q is no valid key: %v", got, errs)
			}
			if tc.want != "" && got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if tc.want == "" && !strings.HasPrefix(got, hashedKeyPrefix) {
				t.Errorf("got %q, want a hash", got)
			}
			if other, ok := seen[got]; ok {
				t.Errorf("the same key as %s", other)
			}
			seen[got] = name
		})
	}
}

// Rooms change again and again: every token is in exactly one Secret under the text it was given last, none is over its
// size, there are no more Secrets than needed twice over, and what stays the same stays where it is.
func TestPackTokens(t *testing.T) {
	content := strings.Repeat("x", 200<<10)
	rapid.Check(t, func(t *rapid.T) {
		texts := map[string]string{}
		var existing []map[string][]byte
		var places map[string]int
		for range rapid.IntRange(1, 6).Draw(t, "rounds") {
			before := places
			var tokens []packedToken
			kept := map[string]bool{}
			next := map[string]string{}
			total := 0
			for i := range rapid.IntRange(0, 40).Draw(t, "participants") {
				key := fmt.Sprintf("p%d", i)
				if _, ok := texts[key]; ok && rapid.Bool().Draw(t, "keep") {
					tokens, next[key], kept[key] = append(tokens, packedToken{key: key}), texts[key], true
				} else {
					text := content[:rapid.IntRange(1, len(content)).Draw(t, "size")]
					tokens, next[key] = append(tokens, packedToken{key: key, text: text}), text
				}
				total += len(key) + len(next[key])
			}
			packed, where := packTokens(existing, tokens)
			for key, text := range next {
				if got := string(packed[where[key]][key]); got != text {
					t.Fatalf("%s has %d bytes in Secret %d, want %d", key, len(got), where[key], len(text))
				}
				if kept[key] && before[key] != where[key] {
					t.Fatalf("%s was moved from %d to %d", key, before[key], where[key])
				}
			}
			count := 0
			for n, data := range packed {
				size := 0
				for key, text := range data {
					size += len(key) + len(text)
					count++
				}
				if size > maxSecretData {
					t.Fatalf("Secret %d has %d bytes", n, size)
				}
			}
			if count != len(next) {
				t.Fatalf("%d keys for %d tokens", count, len(next))
			}
			if len(packed) > max(len(existing), 2*total/maxSecretData+1) {
				t.Fatalf("%d Secrets for %d bytes", len(packed), total)
			}
			if n := len(packed); n > 0 && len(packed[n-1]) == 0 {
				t.Fatal("the last Secret is empty")
			}
			existing, places, texts = packed, where, next
		}
	})
}
