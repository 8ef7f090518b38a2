// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package secrecy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/breakout-operator/breakout-operator/api/v1alpha1"
	"github.com/breakout-operator/breakout-operator/internal/sandbox/environment"
	"github.com/breakout-operator/breakout-operator/internal/simulator"
	"github.com/breakout-operator/breakout-operator/test/fixture"
	"github.com/breakout-operator/breakout-operator/test/rig"
)

// patience is how long a step may take.
const patience = 2 * time.Minute

// secrets are all that nobody may see, by what they are.
type secrets struct {
	mu  sync.Mutex
	all map[string]string
}

// add adds a secret, and the forms in which it may show.
func (s *secrets) add(what, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[secret] = what
	s.all[base64.StdEncoding.EncodeToString([]byte(secret))] = what + " in base64"
}

// addKey adds a private key: each line of its PEM.
func (s *secrets) addKey(what string, pem []byte) {
	for line := range strings.Lines(string(pem)) {
		if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-----") {
			s.add(what, line)
		}
	}
}

// in names the secrets in a text.
func (s *secrets) in(text string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []string
	for secret, what := range s.all {
		if strings.Contains(text, secret) {
			found = append(found, what)
		}
	}
	return found
}

// said is what the operator said, by where.
type said map[string]string

// leaks tells where something secret was said, and what.
func (s *secrets) leaks(everything said) []string {
	var leaks []string
	for _, where := range slices.Sorted(maps.Keys(everything)) {
		for _, what := range s.in(everything[where]) {
			leaks = append(leaks, fmt.Sprintf("%s: %s", where, what))
		}
	}
	return leaks
}

// story is one full run.
type story struct {
	*rig.Rig
	t        *testing.T
	secrets  *secrets
	operator *rig.Operator
	said     said
}

func TestNothingSecretIsSaid(t *testing.T) {
	ctrl.SetLogger(logr.Discard())
	s := &story{t: t, secrets: &secrets{all: map[string]string{}}, said: said{}}
	r, err := rig.New(t.Context(), rig.Options{Progress: os.Stderr, Wrap: s.overhear})
	s.must(err)
	s.Rig = r
	t.Cleanup(func() { s.must(r.Close()) })
	s.secrets.addKey("the private key", r.PrivateKey)
	s.operator, err = r.StartOperator(t.Context(), "--zap-log-level=debug")
	s.must(err)

	s.tell()
	s.collect()
	if leaks := s.secrets.leaks(s.said); len(leaks) > 0 {
		t.Errorf("something secret was said:\n%s", strings.Join(leaks, "\n"))
	}
	s.checkTheSearch()
}

// overhear notes the JWTs that the operator shows the vendor.
func (s *story) overhear(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, header := range []string{"Authorization", "X-OPENTOK-AUTH"} {
			if value := strings.TrimPrefix(r.Header.Get(header), "Bearer "); value != "" {
				s.secrets.add("a JWT of the REST API", value)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// tell has everything happen that has to do with secrets.
func (s *story) tell() {
	s.openTokAccount()
	account := s.Account()
	s.becomes(account, metav1.ConditionTrue, "")

	// Rooms with tokens in status and in Secrets, of both environments.
	for name, change := range map[string]func(*v1alpha1.MeetingRoom){
		"class":  func(*v1alpha1.MeetingRoom) {},
		"vault":  func(r *v1alpha1.MeetingRoom) { r.Spec.Tokens.Delivery = v1alpha1.TokenDeliverySecret },
		"legacy": func(r *v1alpha1.MeetingRoom) { r.Spec.AccountRef = &v1alpha1.LocalObjectReference{Name: "opentok"} },
	} {
		room := fixture.Class()
		room.Name, room.Spec.Tokens = name,
			&v1alpha1.TokensSpec{Shared: []v1alpha1.ParticipantRole{v1alpha1.RoleViewer}}
		change(room)
		s.must(s.Client.Create(s.t.Context(), room))
	}
	for _, name := range []string{"class", "vault", "legacy"} {
		s.becomes(fixture.MeetingRoom(name), metav1.ConditionTrue, "")
	}
	s.noteTokens()

	// Breakout rooms, moves, a signal, and the way back, with a vendor that answers in all kinds of ways.
	for _, kind := range []simulator.FaultKind{
		simulator.FaultStatus, simulator.FaultHTML, simulator.FaultXML, simulator.FaultMalformedJSON,
		simulator.FaultResetAfter, simulator.FaultRateLimited,
	} {
		s.Simulator.AddFault(simulator.Fault{Kind: kind, Count: 1})
	}
	set := fixture.BreakoutSet("groups", "class", fixture.Rooms("red", "blue"), fixture.Grace(6))
	s.must(s.Client.Create(s.t.Context(), set))
	s.becomes(set, metav1.ConditionTrue, v1alpha1.OpenedReason)
	s.noteTokens()
	edit(s, set, func(set *v1alpha1.BreakoutSet) {
		fixture.Rooms("red=Crimson", "blue")(set)
		fixture.Placed("Ada=main", "Ben=red")(set)
	})
	s.becomes(set, metav1.ConditionTrue, v1alpha1.OpenedReason)
	s.noteTokens()
	signal := fixture.RoomSignal("hello", fixture.ToSet("groups"), fixture.Saying("Host", "Hello"))
	s.must(s.Client.Create(s.t.Context(), signal))
	s.becomes(signal, metav1.ConditionTrue, "")

	// Keys that are malformed, refused, and good again; what is in the way of tokens is said meanwhile.
	s.setKey("a malformed key",
		[]byte("-----BEGIN PRIVATE KEY-----\nTUlJRXZBSUJBREFOQmdrcWhraUc5dzBCQVFFRkFBU0NCS1l3\n-----END "+
			"PRIVATE KEY-----\n"))
	s.becomes(account, metav1.ConditionFalse, v1alpha1.SecretInvalidReason)
	wrong := fixture.NewKey()
	s.setKey("a key that is refused", fixture.PEM(wrong))
	s.becomes(account, metav1.ConditionFalse, v1alpha1.CredentialsRejectedReason)
	room := fixture.MeetingRoom("class")
	edit(s, room, fixture.Participants("Cleo"))
	s.becomes(room, metav1.ConditionFalse, v1alpha1.CredentialsRejectedReason)
	s.must(s.Simulator.RotateKey(s.ProjectID, &wrong.PublicKey)) // and so it is the new one
	good := fixture.NewKey()
	s.must(s.Simulator.RotateKey(s.ProjectID, &good.PublicKey))
	s.setKey("the next private key", fixture.PEM(good))
	s.becomes(account, metav1.ConditionTrue, "")
	s.becomes(room, metav1.ConditionTrue, "")
	s.noteTokens()

	// Refused in the middle of things.
	s.Simulator.AddFault(simulator.Fault{Op: simulator.OpSignal, Kind: simulator.FaultForbidden, Count: 2})
	s.Simulator.AddFault(simulator.Fault{Op: simulator.OpSignal, Kind: simulator.FaultUnauthorized, Count: 2})
	edit(s, set, fixture.Closed)
	s.becomes(set, metav1.ConditionTrue, v1alpha1.ClosedReason)
	s.must(s.Client.Delete(s.t.Context(), fixture.MeetingRoom("vault")))
	s.await("the deleted room", func() error {
		err := fixture.Refresh(s.t.Context(), s.Client, fixture.MeetingRoom("vault"))
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is still there: %w", err)
		}
		return nil
	})
	s.noteTokens()
}

// openTokAccount makes an account of the other environment, whose secret is no key.
func (s *story) openTokAccount() {
	const apiKey, apiSecret = "45828062", "5ecre75ecre75ecre75ecre75ecre75ecre75ecre7"
	s.secrets.add("the API secret", apiSecret)
	s.must(s.Simulator.AddProject(simulator.Project{Environment: simulator.OpenTok, ID: apiKey, Secret: apiSecret}))
	for _, object := range []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: environment.OperatorNamespace, Name: "opentok"},
			Data:       map[string][]byte{v1alpha1.APISecretSecretKey: []byte(apiSecret)},
		},
		fixture.VonageAccount("opentok", apiKey, s.URL, func(va *v1alpha1.VonageAccount) {
			va.Spec.Environment = v1alpha1.EnvironmentOpenTok
		}),
	} {
		s.must(s.Client.Create(s.t.Context(), object))
	}
}

// setKey puts a key into the account's Secret.
func (s *story) setKey(what string, pem []byte) {
	s.secrets.addKey(what, pem)
	s.must(s.Client.Update(s.t.Context(),
		fixture.Secret(environment.OperatorNamespace, environment.CredentialsName, pem)))
}

// edit changes an object.
func edit[T client.Object](s *story, obj T, change func(T)) {
	s.t.Helper()
	s.must(fixture.Edit(s.t.Context(), s.Client, obj, change))
}

// await waits until there is no error any more.
func (s *story) await(what string, ask func() error) {
	s.t.Helper()
	if err := fixture.Await(s.t.Context(), patience, func(context.Context) error { return ask() }); err != nil {
		s.t.Fatalf("waiting for %s: %v", what, err)
	}
}

// becomes waits until Ready of an object has a status, for a reason where one is given, and notes all that it says
// meanwhile.
func (s *story) becomes(obj fixture.Conditioned, ready metav1.ConditionStatus, reason string) {
	s.t.Helper()
	s.await(obj.GetName(), func() error {
		if err := fixture.Refresh(s.t.Context(), s.Client, obj); err != nil {
			return err
		}
		s.noteConditions(obj)
		return fixture.HasCondition(obj, v1alpha1.ReadyCondition, ready, reason)
	})
}

// noteConditions collects what an object says now.
func (s *story) noteConditions(obj fixture.Conditioned) {
	text, err := json.Marshal(obj.GetConditions())
	s.must(err)
	s.said["conditions of "+obj.GetName()] += string(text)
}

// noteTokens notes all tokens that there are now, and everything that objects say beside them.
func (s *story) noteTokens() {
	ctx := s.t.Context()
	var rooms v1alpha1.MeetingRoomList
	s.must(s.Client.List(ctx, &rooms))
	for i := range rooms.Items {
		room := &rooms.Items[i]
		s.noteConditions(room)
		for _, t := range room.Status.Tokens {
			if t.Token != "" {
				s.secrets.add("a token", t.Token)
			}
		}
		for _, t := range room.Status.SharedTokens {
			if t.Token != "" {
				s.secrets.add("a shared token", t.Token)
			}
		}
		room.Status.Tokens, room.Status.SharedTokens = nil, nil // where tokens belong
		text, err := json.Marshal(room)
		s.must(err)
		s.said["MeetingRoom "+room.Name] += string(text)
	}
	var kept corev1.SecretList
	s.must(s.Client.List(ctx, &kept, client.InNamespace(fixture.Namespace)))
	for _, secret := range kept.Items {
		for _, value := range secret.Data {
			s.secrets.add("a token in a Secret", string(value))
		}
	}
	var sets v1alpha1.BreakoutSetList
	s.must(s.Client.List(ctx, &sets))
	for _, set := range sets.Items {
		text, err := json.Marshal(set)
		s.must(err)
		s.said["BreakoutSet "+set.Name] += string(text)
	}
}

// collect collects what the operator has said in the end.
func (s *story) collect() {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	metrics, err := s.operator.MetricsText(ctx)
	s.must(err)
	s.said["metrics"] = metrics
	var events eventsv1.EventList
	s.must(s.Client.List(ctx, &events))
	if len(events.Items) == 0 {
		s.t.Error("there were no events")
	}
	for _, e := range events.Items {
		text, err := json.Marshal(e)
		s.must(err)
		s.said["events"] += string(text)
	}
	var accounts v1alpha1.VonageAccountList
	s.must(s.Client.List(ctx, &accounts))
	for i := range accounts.Items {
		s.noteConditions(&accounts.Items[i])
	}
	s.operator.Stop()
	log, err := s.operator.Log()
	s.must(err)
	if !strings.Contains(log, `"level":"debug"`) && !strings.Contains(log, "DEBUG") {
		s.t.Error("the log has nothing of level debug")
	}
	s.said["log"] = log
	for _, call := range s.Simulator.Calls() {
		s.said["signals"] += call.SignalData
	}
}

// checkTheSearch plants a secret of each kind in each place, in turn, and expects it to be found.
func (s *story) checkTheSearch() {
	kinds := map[string]string{}
	for secret, what := range s.secrets.all {
		kinds[what] = secret
	}
	for _, what := range []string{
		"the private key", "a malformed key", "a key that is refused", "the API secret", "a token", "a shared token",
		"a token in a Secret", "a JWT of the REST API",
	} {
		if kinds[what] == "" {
			s.t.Errorf("no secret is known of kind: %s", what)
		}
	}
	for _, where := range []string{"log", "metrics", "events", "signals", "conditions of class", "conditions of " +
		environment.AccountName, "MeetingRoom class", "BreakoutSet groups"} {
		text := s.said[where]
		if text == "" {
			s.t.Errorf("nothing was said in: %s", where)
		}
		text = text[:min(len(text), 10_000)]
		for what, secret := range kinds {
			planted := said{where: text[:len(text)/2] + secret + text[len(text)/2:]}
			if len(s.secrets.leaks(planted)) == 0 {
				s.t.Errorf("%s is not found in: %s", what, where)
			}
		}
	}
}
