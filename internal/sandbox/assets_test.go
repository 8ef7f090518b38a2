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
	"regexp"
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

func (f *fakeTools) build(_ context.Context, names []string, dir string) error {
	f.call("build %s", strings.Join(names, " "))
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeTools) noDownload(context.Context) error {
	f.call("download")
	return errors.New("no network")
}

// finder returns one for the version, which uses the tools and has no network.
func (f *fakeTools) finder(store, version string) *finder {
	return &finder{
		store: store, version: version, controllersFile: "kube-controllers-new",
		build: f.build, download: f.noDownload, progress: io.Discard,
	}
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
	// kept is a path in the store's folder of a version.
	kept := func(version string, file ...string) string {
		return filepath.Join(append([]string{"store", version + "-" + platform}, file...)...)
	}
	all := []string{"etcd", "kube-apiserver", "kube-controllers-new"}
	ours := Binaries{
		kept("1.37.2", "etcd"),
		kept("1.37.2", "kube-apiserver"),
		kept("1.37.2", "kube-controllers-new"),
	}
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
			folders:   map[string][]string{"assets": all, kept("1.37.2"): all},
			assetsDir: "assets",
			want:      Binaries{"assets/etcd", "assets/kube-apiserver", "assets/kube-controllers-new"},
		},
		"KUBEBUILDER_ASSETS of setup-envtest has no controllers": {
			folders:   map[string][]string{"assets": {"etcd", "kube-apiserver", "kubectl"}},
			assetsDir: "assets",
			want: Binaries{
				"assets/etcd",
				"assets/kube-apiserver",
				kept("1.37.2", "kube-controllers-new"),
			},
			wantCalls: []string{"build kube-controllers"},
		},
		"KUBEBUILDER_ASSETS without an API server is a mistake": {
			folders:   map[string][]string{"assets": {"etcd"}},
			assetsDir: "assets",
			wantErr:   "unset the variable",
		},
		"everything kept": {
			folders: map[string][]string{kept("1.37.2"): all},
			want:    ours,
		},
		"another patch release is kept, with the controllers beside": {
			folders: map[string][]string{
				kept("1.37.0"): {"etcd", "kube-apiserver"}, kept("1.37.2"): {"kube-controllers-new"},
			},
			want: Binaries{
				kept("1.37.0", "etcd"),
				kept("1.37.0", "kube-apiserver"),
				kept("1.37.2", "kube-controllers-new"),
			},
		},
		"controllers of another source do not count": {
			folders:   map[string][]string{kept("1.37.2"): {"etcd", "kube-apiserver", "kube-controllers-old"}},
			want:      ours,
			wantCalls: []string{"build kube-controllers"},
		},
		"another minor version does not count": {
			folders:   map[string][]string{kept("1.36.0"): all},
			want:      ours,
			wantCalls: []string{"download", "build etcd kube-apiserver kube-controllers"},
		},
		"nothing there, no network": {
			want:      ours,
			wantCalls: []string{"download", "build etcd kube-apiserver kube-controllers"},
		},
		"nothing there, download works": {
			downloads: []string{"etcd", "kube-apiserver", "kubectl"},
			want: Binaries{
				kept("1.37.0", "etcd"),
				kept("1.37.0", "kube-apiserver"),
				kept("1.37.2", "kube-controllers-new"),
			},
			wantCalls: []string{"download", "build kube-controllers"},
		},
		"what is there of the version is not built again": {
			folders:   map[string][]string{kept("1.37.2"): {"etcd", ".building"}},
			want:      ours,
			wantCalls: []string{"download", "build kube-apiserver kube-controllers"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for folder, names := range tc.folders {
				put(t, filepath.Join(dir, folder), names...)
			}
			tools := &fakeTools{}
			f := tools.finder(filepath.Join(dir, "store"), "v1.37.2")
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
			got = Binaries{
				relative(t, dir, got.Etcd), relative(t, dir, got.APIServer), relative(t, dir, got.Controllers),
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("find() (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.wantCalls, tools.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if leftovers, _ := filepath.Glob(filepath.Join(f.folder(), ".building*")); len(leftovers) > 0 {
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
			f := tools.finder(store, "v1.37.2")
			got, err := f.find(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			for _, path := range []string{got.Etcd, got.APIServer, got.Controllers} {
				if text, err := os.ReadFile(path); err != nil || !strings.HasPrefix(filepath.Base(path), string(text)) {
					t.Errorf("%s holds %q, %v", path, text, err)
				}
			}
		})
	}
	callers.Wait()
	want := []string{"build etcd kube-apiserver kube-controllers", "download"}
	slices.Sort(tools.calls)
	if diff := cmp.Diff(want, tools.calls); diff != "" {
		t.Errorf("calls of all callers together (-want +got):\n%s", diff)
	}
}

func TestFindAssetsKeepsNothingOfAFailedBuild(t *testing.T) {
	f := (&fakeTools{}).finder(t.TempDir(), "v1.37.2")
	f.build = func(_ context.Context, names []string, dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, names[0]), []byte("half"), 0o755), errors.New("disk full"))
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
		fmt.Fprintf(w, "releases:\n  v1.37.0:\n    %s:\n      hash: %s\n      selfLink: %s/%s\n", file,
			hex.EncodeToString(sum[:]), server.URL, file)
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
		"offered": {
			version: "v1.37.2", index: server.URL + "/index.yaml", want: []string{"1.37.0-" + platform},
		},
		"no such version": {version: "v1.99.0", index: server.URL + "/index.yaml", wantErr: "does not offer 1.99"},
		"no such index":   {version: "v1.37.2", index: server.URL + "/other.yaml", wantErr: "status 404"},
		"nobody answers": {
			version: "v1.37.2", index: "http://127.0.0.1:1/index.yaml", wantErr: "cannot be reached",
		},
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
			f := tools.finder(store, tc.version)
			got, err := f.find(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(store, "1.37.0-"+platform, "kube-apiserver"); got.APIServer != want {
				t.Errorf("found %s, want %s", got.APIServer, want)
			}
			if diff := cmp.Diff([]string{"build kube-controllers"}, tools.calls); diff != "" {
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
		header := &tar.Header{
			Name: "controller-tools/envtest/" + name, Mode: 0o755, Size: int64(len(name)), Typeflag: tar.TypeReg,
		}
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
		"in a block": {
			goMod: "require (\n\tk8s.io/kubectl v0.37.2\n\tk8s.io/kubernetes v1.37.2 // indirect\n)\n", want: "v1.37.2",
		},
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

func TestControllersFileTellsTheSource(t *testing.T) {
	module := t.TempDir()
	write := func(file, text string) {
		t.Helper()
		path := filepath.Join(module, file)
		if err := errors.Join(
			os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600),
		); err != nil {
			t.Fatal(err)
		}
	}
	write("kube-controllers/main.go", "package main")
	write("go.mod", "module controlplane")
	write("go.sum", "")
	seen := map[string]string{}
	for _, change := range []struct{ file, text string }{
		{"go.sum", ""},
		{"kube-controllers/main.go", "package main // better"},
		{"kube-controllers/more.go", "package main"},
		{"go.mod", "module controlplane // newer"},
		{"go.sum", "some sums"},
	} {
		write(change.file, change.text)
		name, err := controllersFile(module)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := controllersFile(module); again != name || err != nil {
			t.Errorf("the second time controllersFile() = %q, %v, want %q", again, err, name)
		}
		if before, ok := seen[name]; ok || !strings.HasPrefix(name, "kube-controllers-") {
			t.Errorf("with a new %s controllersFile() = %q, want a name of its own (seen with %q)", change.file, name,
				before)
		}
		seen[name] = change.file
	}
	if err := os.Remove(filepath.Join(module, "go.mod")); err != nil {
		t.Fatal(err)
	}
	if name, err := controllersFile(module); err == nil {
		t.Errorf("without a go.mod controllersFile() = %q, want an error", name)
	}
}

// TestVersionsMatch keeps the control plane at the version that the client libraries are made for, and all
// modules that both need at one version each, so that their packages are compiled once for both.
func TestVersionsMatch(t *testing.T) {
	root, err := ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	ours := requirements(t, filepath.Join(root, "go.mod"))
	theirs := requirements(t, filepath.Join(root, "hack", "controlplane", "go.mod"))
	version := theirs["k8s.io/kubernetes"]
	if want := "v0." + strings.TrimPrefix(version, "v1."); ours["k8s.io/client-go"] != want {
		t.Errorf("hack/controlplane builds Kubernetes %s, so go.mod should require k8s.io/client-go %s, not %s",
			version, want, ours["k8s.io/client-go"])
	}
	for module, version := range theirs {
		// A replace directive has the version of what is v0.0.0.
		if own, ok := ours[module]; ok && own != version && version != "v0.0.0" {
			t.Errorf("go.mod requires %s %s and hack/controlplane/go.mod %s: bring the older one to the newer one's",
				module, own, version)
		}
	}
}

var requirement = regexp.MustCompile(`(?m)^\s*(?:require\s+)?(\S+) (v\d\S*)`)

// requirements returns the modules that a go.mod file requires, with their versions.
func requirements(t *testing.T, goMod string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(goMod)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, match := range requirement.FindAllStringSubmatch(string(text), -1) {
		versions[match[1]] = match[2]
	}
	if len(versions) == 0 {
		t.Fatalf("%s requires nothing", goMod)
	}
	return versions
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
