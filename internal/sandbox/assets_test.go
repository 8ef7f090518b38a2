// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var platform = runtime.GOOS + "-" + runtime.GOARCH

// fakeTools stands in for the slow tools and records their calls.
type fakeTools struct {
	mu    sync.Mutex
	calls []string
}

func (f *fakeTools) call(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

func (f *fakeTools) build(_ context.Context, name, out string) error {
	f.call("build %s", name)
	return os.WriteFile(out, []byte(name), 0o755)
}

func (f *fakeTools) noDownload(context.Context) error {
	f.call("download")
	return errors.New("no network")
}

// put makes programs of the given names in dir.
func put(t *testing.T, dir string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFindAssets(t *testing.T) {
	tests := map[string]struct {
		// folders holds what is there: by folder below the temporary one, the programs.
		folders   map[string][]string
		assetsDir string
		// downloads is what a download puts into the store's folder of 1.37.0; nil means no network.
		downloads []string
		want      Binaries
		wantCalls []string
		wantErr   string
	}{
		"everything in KUBEBUILDER_ASSETS": {
			folders:   map[string][]string{"assets": {"etcd", "kube-apiserver", "kube-controller-manager"}, "store/1.37.2-" + platform: {"etcd", "kube-apiserver", "kube-controller-manager"}},
			assetsDir: "assets",
			want:      Binaries{"assets/etcd", "assets/kube-apiserver", "assets/kube-controller-manager"},
		},
		"KUBEBUILDER_ASSETS of setup-envtest has no controller manager": {
			folders:   map[string][]string{"assets": {"etcd", "kube-apiserver", "kubectl"}},
			assetsDir: "assets",
			want:      Binaries{"assets/etcd", "assets/kube-apiserver", "store/1.37.2-" + platform + "/kube-controller-manager"},
			wantCalls: []string{"build kube-controller-manager"},
		},
		"KUBEBUILDER_ASSETS without an API server is a mistake": {
			folders:   map[string][]string{"assets": {"etcd"}},
			assetsDir: "assets",
			wantErr:   "unset the variable",
		},
		"everything kept": {
			folders: map[string][]string{"store/1.37.2-" + platform: {"etcd", "kube-apiserver", "kube-controller-manager"}},
			want:    Binaries{"store/1.37.2-" + platform + "/etcd", "store/1.37.2-" + platform + "/kube-apiserver", "store/1.37.2-" + platform + "/kube-controller-manager"},
		},
		"another patch release is kept, with the controller manager beside": {
			folders: map[string][]string{"store/1.37.0-" + platform: {"etcd", "kube-apiserver"}, "store/1.37.2-" + platform: {"kube-controller-manager"}},
			want:    Binaries{"store/1.37.0-" + platform + "/etcd", "store/1.37.0-" + platform + "/kube-apiserver", "store/1.37.2-" + platform + "/kube-controller-manager"},
		},
		"another minor version does not count": {
			folders:   map[string][]string{"store/1.36.0-" + platform: {"etcd", "kube-apiserver", "kube-controller-manager"}},
			want:      Binaries{"store/1.37.2-" + platform + "/etcd", "store/1.37.2-" + platform + "/kube-apiserver", "store/1.37.2-" + platform + "/kube-controller-manager"},
			wantCalls: []string{"download", "build etcd", "build kube-apiserver", "build kube-controller-manager"},
		},
		"nothing there, no network": {
			want:      Binaries{"store/1.37.2-" + platform + "/etcd", "store/1.37.2-" + platform + "/kube-apiserver", "store/1.37.2-" + platform + "/kube-controller-manager"},
			wantCalls: []string{"download", "build etcd", "build kube-apiserver", "build kube-controller-manager"},
		},
		"nothing there, download works": {
			downloads: []string{"etcd", "kube-apiserver", "kubectl"},
			want:      Binaries{"store/1.37.0-" + platform + "/etcd", "store/1.37.0-" + platform + "/kube-apiserver", "store/1.37.2-" + platform + "/kube-controller-manager"},
			wantCalls: []string{"download", "build kube-controller-manager"},
		},
		"an interrupted build goes on where it was": {
			folders:   map[string][]string{"store/1.37.2-" + platform: {"etcd", ".building-kube-apiserver"}},
			want:      Binaries{"store/1.37.2-" + platform + "/etcd", "store/1.37.2-" + platform + "/kube-apiserver", "store/1.37.2-" + platform + "/kube-controller-manager"},
			wantCalls: []string{"download", "build kube-apiserver", "build kube-controller-manager"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for folder, names := range tc.folders {
				put(t, filepath.Join(dir, folder), names...)
			}
			tools := &fakeTools{}
			f := &finder{store: filepath.Join(dir, "store"), version: "v1.37.2", build: tools.build, download: tools.noDownload, progress: io.Discard}
			if tc.downloads != nil {
				f.download = func(context.Context) error {
					tools.call("download")
					put(t, filepath.Join(f.store, "1.37.0-"+platform), tc.downloads...)
					return nil
				}
			}
			if tc.assetsDir != "" {
				f.assetsDir = filepath.Join(dir, tc.assetsDir)
			}

			got, err := f.find(t.Context())

			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("find() error = %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got = Binaries{relative(t, dir, got.Etcd), relative(t, dir, got.APIServer), relative(t, dir, got.ControllerManager)}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("find() (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantCalls, tools.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if leftovers, _ := filepath.Glob(filepath.Join(f.folder(), ".building-*")); len(leftovers) > 0 {
				t.Errorf("left over: %v", leftovers)
			}
		})
	}
}

func relative(t *testing.T, base, path string) string {
	t.Helper()
	rel, err := filepath.Rel(base, path)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

func TestFindAssetsConcurrently(t *testing.T) {
	store := t.TempDir()
	tools := &fakeTools{}
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			f := &finder{store: store, version: "v1.37.2", build: tools.build, download: tools.noDownload, progress: io.Discard}
			got, err := f.find(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			for _, path := range []string{got.Etcd, got.APIServer, got.ControllerManager} {
				if text, err := os.ReadFile(path); err != nil || string(text) != filepath.Base(path) {
					t.Errorf("%s holds %q, %v", path, text, err)
				}
			}
		})
	}
	callers.Wait()
	want := []string{"build etcd", "build kube-apiserver", "build kube-controller-manager", "download"}
	slices.Sort(tools.calls)
	if diff := cmp.Diff(want, tools.calls); diff != "" {
		t.Errorf("calls of all callers together (-want +got):\n%s", diff)
	}
}

func TestFindAssetsKeepsNothingOfAFailedBuild(t *testing.T) {
	f := &finder{store: t.TempDir(), version: "v1.37.2", download: (&fakeTools{}).noDownload, progress: io.Discard}
	f.build = func(_ context.Context, _, out string) error {
		return errors.Join(os.WriteFile(out, []byte("half"), 0o755), errors.New("disk full"))
	}
	if _, err := f.find(t.Context()); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Fatalf("find() error = %v, want that of the build", err)
	}
	entries, err := os.ReadDir(f.folder())
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 0 {
		t.Errorf("the store's folder holds %v, want nothing", entries)
	}
}

// TestDownload runs the real setup-envtest against an index of our own.
func TestDownload(t *testing.T) {
	archive := envtestArchive(t, "etcd", "kube-apiserver", "kubectl")
	sum := sha512.Sum512(archive)
	file := fmt.Sprintf("envtest-v1.37.0-%s.tar.gz", platform)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/index.yaml", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "releases:\n  v1.37.0:\n    %s:\n      hash: %s\n      selfLink: %s/%s\n", file, hex.EncodeToString(sum[:]), server.URL, file)
	})
	mux.HandleFunc("/"+file, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) })
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}

	tests := map[string]struct {
		version string
		index   string
		want    []string
		wantErr string
	}{
		"offered":            {version: "v1.37.2", index: server.URL + "/index.yaml", want: []string{"1.37.0-" + platform}},
		"no such version":    {version: "v1.99.0", index: server.URL + "/index.yaml", wantErr: "does not offer 1.99"},
		"no such index":      {version: "v1.37.2", index: server.URL + "/other.yaml", wantErr: "status 404"},
		"nobody answers":     {version: "v1.37.2", index: "http://127.0.0.1:1/index.yaml", wantErr: "cannot be reached"},
		"prefix of a number": {version: "v1.3.0", index: server.URL + "/index.yaml", wantErr: "does not offer 1.3"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			store := filepath.Join(t.TempDir(), "k8s")
			// setup-envtest makes its folders read-only.
			t.Cleanup(func() {
				folders, _ := filepath.Glob(filepath.Join(store, "*"))
				for _, folder := range folders {
					_ = os.Chmod(folder, 0o755)
				}
			})
			d := downloader{root: root, version: tc.version, store: store, index: tc.index, progress: io.Discard}

			err := d.run(t.Context())

			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("run() error = %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tools := &fakeTools{}
			f := &finder{store: store, version: tc.version, build: tools.build, download: tools.noDownload, progress: io.Discard}
			got, err := f.find(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(store, "1.37.0-"+platform, "kube-apiserver"); got.APIServer != want {
				t.Errorf("found %s, want %s", got.APIServer, want)
			}
			if diff := cmp.Diff([]string{"build kube-controller-manager"}, tools.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

// envtestArchive returns what envtest's releases look like.
func envtestArchive(t *testing.T, names ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zipped)
	for _, name := range names {
		header := &tar.Header{Name: "controller-tools/envtest/" + name, Mode: 0o755, Size: int64(len(name)), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestKubernetesVersion(t *testing.T) {
	tests := map[string]struct {
		goMod   string
		want    string
		wantErr bool
	}{
		"in a block":      {goMod: "require (\n\tk8s.io/kubectl v0.37.2\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\n", want: "v1.37.2"},
		"on its own line": {goMod: "require k8s.io/kubernetes v1.38.0-rc.1\n", want: "v1.38.0-rc.1"},
		"missing":         {goMod: "tool k8s.io/kubernetes/cmd/kube-apiserver\n", wantErr: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "go.mod")
			if err := os.WriteFile(path, []byte(tc.goMod), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := kubernetesVersion(path)
			if got != tc.want || (err != nil) != tc.wantErr {
				t.Errorf("kubernetesVersion() = %q, %v; want %q, error %t", got, err, tc.want, tc.wantErr)
			}
		})
	}
}

// TestVersionsMatch keeps the control plane at the version that the client libraries are made for.
func TestVersionsMatch(t *testing.T) {
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	version, err := kubernetesVersion(filepath.Join(root, "hack", "controlplane", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	want := "k8s.io/client-go v0." + strings.TrimPrefix(version, "v1.")
	if !strings.Contains(string(goMod), want+"\n") {
		t.Errorf("hack/controlplane builds Kubernetes %s, so go.mod should require %s", version, want)
	}
}

func TestCommandReport(t *testing.T) {
	r := &commandReport{}
	if got, want := r.state(), "nothing new to compile so far"; got != want {
		t.Errorf("state() = %q, want %q", got, want)
	}
	r.read(strings.NewReader("go: downloading k8s.io/api v0.37.2\ngo: downloading k8s.io/client-go v0.37.2\n"))
	if got, want := r.state(), "2 modules downloaded"; got != want {
		t.Errorf("state() = %q, want %q", got, want)
	}
	r.read(strings.NewReader("internal/abi\nk8s.io/api/core/v1\n# k8s.io/api/core/v1\nfile.go:3:4: undefined: x\n"))
	if got, want := r.state(), "2 packages compiled"; got != want {
		t.Errorf("state() = %q, want %q", got, want)
	}
	if got, want := r.tail(), "# k8s.io/api/core/v1\nfile.go:3:4: undefined: x"; got != want {
		t.Errorf("tail() = %q, want %q", got, want)
	}
}
