// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

var (
	applicationID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	apiKey        = regexp.MustCompile(`^[0-9]{1,20}$`)
)

// Project is an account at the vendor: an application (Unified) or a project with an API key (OpenTok).
type Project struct {
	Environment Environment
	// ID is the application ID (a UUID) or the API key (decimal digits).
	ID string
	// PublicKey is the public half of the application's key. Unified only.
	PublicKey *rsa.PublicKey
	// Secret is the API secret. OpenTok only.
	Secret string
	// FormerKey and FormerSecret are accepted as well, while credentials are being rotated; nil and "" for none.
	FormerKey    *rsa.PublicKey
	FormerSecret string
}

// verifyRS256 reports whether a JWT is signed with one of the project's keys.
func (p *Project) verifyRS256(t jwt) bool {
	return t.verifyRS256(p.PublicKey) || (p.FormerKey != nil && t.verifyRS256(p.FormerKey))
}

// verifyHS256 reports whether a JWT is signed with one of the project's secrets.
func (p *Project) verifyHS256(t jwt) bool {
	return t.verifyHS256(p.Secret) || (p.FormerSecret != "" && t.verifyHS256(p.FormerSecret))
}

// String names the project without its secret.
func (p Project) String() string { return fmt.Sprintf("%s project %s", p.Environment, p.ID) }

// GoString keeps the secret out of %#v.
func (p Project) GoString() string { return p.String() }

// Validate returns an error that says what is wrong with the project, without its secret.
func (p Project) Validate() error {
	switch p.Environment {
	case Unified:
		if !applicationID.MatchString(p.ID) {
			return fmt.Errorf("project %q: the ID of a Unified project is a lower-case UUID", p.ID)
		}
		if p.PublicKey == nil || p.Secret != "" || p.FormerSecret != "" {
			return fmt.Errorf("project %s: a Unified project has a public key and no secret", p.ID)
		}
	case OpenTok:
		if !apiKey.MatchString(p.ID) {
			return fmt.Errorf("project %q: the ID of an OpenTok project is an API key of decimal digits", p.ID)
		}
		if p.Secret == "" || p.PublicKey != nil || p.FormerKey != nil {
			return fmt.Errorf("project %s: an OpenTok project has a secret and no public key", p.ID)
		}
	default:
		return fmt.Errorf("project %s: unknown environment %q: give %s or %s", p.ID, p.Environment, Unified, OpenTok)
	}
	return nil
}

// AddProject adds a project, or replaces the one of the same ID: its credentials are rotated, and everything signed
// with the old ones is refused from then on. It returns an error when the project is not valid.
func (s *Simulator) AddProject(p Project) error {
	if err := p.Validate(); err != nil {
		return err
	}
	s.changeProjects(func(m map[string]*Project) { m[p.ID] = &p })
	return nil
}

// RemoveProject revokes a project's credentials. Clients that are connected stay so.
func (s *Simulator) RemoveProject(id string) {
	s.changeProjects(func(m map[string]*Project) { delete(m, id) })
}

// RotateKey gives a Unified project another key.
func (s *Simulator) RotateKey(id string, key *rsa.PublicKey) error {
	return s.rotate(id, Project{Environment: Unified, ID: id, PublicKey: key})
}

// RotateSecret gives an OpenTok project another secret.
func (s *Simulator) RotateSecret(id, secret string) error {
	return s.rotate(id, Project{Environment: OpenTok, ID: id, Secret: secret})
}

func (s *Simulator) rotate(id string, p Project) error {
	old := s.project(id)
	if old == nil || old.Environment != p.Environment {
		return errors.New("rotating credentials: there is no such project in that environment")
	}
	return s.AddProject(p)
}

// Projects returns the projects, sorted by ID, without their credentials.
func (s *Simulator) Projects() []Project {
	out := []Project{}
	m := *s.projects.Load()
	for _, id := range slices.Sorted(maps.Keys(m)) {
		out = append(out, Project{Environment: m[id].Environment, ID: id})
	}
	return out
}

// project returns nil when there is none of that ID. The pointer changes when the credentials do.
func (s *Simulator) project(id string) *Project { return (*s.projects.Load())[id] }

func (s *Simulator) changeProjects(change func(map[string]*Project)) {
	s.projectsMu.Lock()
	defer s.projectsMu.Unlock()
	m := maps.Clone(*s.projects.Load())
	change(m)
	s.projects.Store(&m)
}
