// Copyright The breakout-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	etcdName        = "etcd"
	apiServerName   = "kube-apiserver"
	controllersName = "kube-controllers"
	kubectlName     = "kubectl"
)

// Binaries are the paths of the control plane's programs.
type Binaries struct {
	// Etcd is the path of etcd.
	Etcd string
	// APIServer is the path of kube-apiserver.
	APIServer string
	// Controllers is the path of kube-controllers, the program of hack/controlplane with the garbage collector
	// and the namespaces' controller.
	Controllers string
}

func (b Binaries) complete() bool { return len(b.missing()) == 0 }

// missing returns the names of the programs that are not there.
func (b Binaries) missing() []string {
	var names []string
	for _, program := range []struct{ name, path string }{
		{etcdName, b.Etcd}, {apiServerName, b.APIServer}, {controllersName, b.Controllers},
	} {
		if program.path == "" {
			names = append(names, program.name)
		}
	}
	return names
}

// Assets returns the control plane's programs. In this order they come from
//
//  1. the folder that KUBEBUILDER_ASSETS names, which then must hold etcd and kube-apiserver;
//  2. setup-envtest's store, where any patch release of the wanted minor version will do;
//  3. a download by setup-envtest, tried only if its index answers within a few seconds;
//  4. a build of hack/controlplane from the Go module proxy, which takes minutes, once.
//
// What was downloaded or built is kept in setup-envtest's store. kube-controllers is this project's own, so
// it is built in any case, and again when its source or the versions of hack/controlplane change. While
// something takes long, a line every few seconds goes to progress, which may be nil. Assets is safe to be
// called by several processes at once: one builds, the others wait.
func Assets(ctx context.Context, progress io.Writer) (Binaries, error) {
	f, err := newFinder(progress)
	if err != nil {
		return Binaries{}, err
	}
	return f.find(ctx)
}

// Kubectl returns the path of a kubectl: the one on the PATH, else one that was kept beside the control
// plane's programs, else it is built and kept like those.
func Kubectl(ctx context.Context, progress io.Writer) (string, error) {
	if path, err := exec.LookPath(kubectlName); err == nil {
		return path, nil
	}
	f, err := newFinder(progress)
	if err != nil {
		return "", err
	}
	if path := executable(f.assetsDir, kubectlName); path != "" {
		return path, nil
	}
	if path := f.stored(kubectlName); path != "" {
		return path, nil
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if path := f.stored(kubectlName); path != "" {
		return path, nil
	}
	if err := f.buildAndKeep(ctx, kubectlName); err != nil {
		return "", err
	}
	return f.stored(kubectlName), nil
}

// finder is one search for the binaries. Its fields are the places and tools that tests replace.
type finder struct {
	// assetsDir is KUBEBUILDER_ASSETS, or empty.
	assetsDir string
	// store is the folder of setup-envtest's store that holds one folder per version and platform.
	store string
	// version is the Kubernetes version of hack/controlplane, with its leading v.
	version string
	// controllersFile is the name that the store has for kube-controllers of the source at hand.
	controllersFile string
	// download brings some release of the version's minor into the store, or fails soon.
	download func(ctx context.Context) error
	// build writes the named programs into the folder dir.
	build func(ctx context.Context, names []string, dir string) error
	// progress takes lines for people.
	progress io.Writer
}

func newFinder(progress io.Writer) (*finder, error) {
	if progress == nil {
		progress = io.Discard
	}
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	version, err := kubernetesVersion(filepath.Join(root, "hack", "controlplane", "go.mod"))
	if err != nil {
		return nil, err
	}
	controllers, err := controllersFile(filepath.Join(root, "hack", "controlplane"))
	if err != nil {
		return nil, err
	}
	store, err := envtest.SetupEnvtestDefaultBinaryAssetsDirectory()
	if err != nil {
		return nil, fmt.Errorf("locate setup-envtest's store: %w", err)
	}
	b := builder{root: root, version: version, progress: progress}
	d := downloader{
		root: root, version: version, store: store, index: envtest.DefaultBinaryAssetsIndexURL, progress: progress,
	}
	return &finder{
		assetsDir:       os.Getenv("KUBEBUILDER_ASSETS"),
		store:           store,
		version:         version,
		controllersFile: controllers,
		download:        d.run,
		build:           b.run,
		progress:        progress,
	}, nil
}

// find returns the binaries, and brings those that are not there yet.
func (f *finder) find(ctx context.Context) (Binaries, error) {
	found, err := f.present()
	if err != nil || found.complete() {
		return found, err
	}
	unlock, err := f.lock(ctx)
	if err != nil {
		return Binaries{}, err
	}
	defer unlock()

	// Somebody else may have brought them while we waited for the lock.
	found, err = f.present()
	if err != nil || found.complete() {
		return found, err
	}
	if found.APIServer == "" {
		if err := f.download(ctx); err != nil {
			if ctx.Err() != nil {
				return Binaries{}, ctx.Err()
			}
			say(f.progress, "No ready-made control plane (%v): building it", err)
		}
		if found, err = f.present(); err != nil {
			return Binaries{}, err
		}
	}
	if found.complete() {
		return found, nil
	}
	if err := f.buildAndKeep(ctx, found.missing()...); err != nil {
		return Binaries{}, err
	}
	return f.present()
}

// present returns what is there without bringing anything; missing ones are empty. etcd and API server
// are always of one folder, so that versions are not mixed by accident.
func (f *finder) present() (Binaries, error) {
	var found Binaries
	if f.assetsDir != "" {
		found = f.inFolder(f.assetsDir)
		if found.Etcd == "" || found.APIServer == "" {
			return Binaries{}, fmt.Errorf("look for the control plane in KUBEBUILDER_ASSETS=%s: no etcd and "+
				"kube-apiserver there; "+
				"unset the variable to have them built, or point it to a folder that holds them", f.assetsDir)
		}
	}
	for _, dir := range f.versionFolders() {
		here := f.inFolder(dir)
		if found.APIServer == "" && here.Etcd != "" && here.APIServer != "" {
			found.Etcd, found.APIServer = here.Etcd, here.APIServer
		}
		if found.Controllers == "" {
			found.Controllers = here.Controllers
		}
	}
	if found.APIServer == "" {
		// What is there of them is worth keeping.
		here := f.inFolder(f.folder())
		found.Etcd, found.APIServer = here.Etcd, here.APIServer
	}
	return found, nil
}

// stored returns the path of the named program in the store, or "".
func (f *finder) stored(name string) string {
	for _, dir := range f.versionFolders() {
		if path := executable(dir, name); path != "" {
			return path
		}
	}
	return ""
}

// folder is where the store keeps the wanted version for this platform, as setup-envtest names it.
func (f *finder) folder() string {
	return filepath.Join(f.store,
		fmt.Sprintf("%s-%s-%s", strings.TrimPrefix(f.version, "v"), runtime.GOOS, runtime.GOARCH))
}

// versionFolders returns the store's folders with the wanted minor version for this platform: the very
// version first, then the others.
func (f *finder) versionFolders() []string {
	pattern := fmt.Sprintf("%s.*-%s-%s", minorVersion(f.version), runtime.GOOS, runtime.GOARCH)
	others, err := filepath.Glob(filepath.Join(f.store, pattern))
	if err != nil {
		return []string{f.folder()}
	}
	others = slices.DeleteFunc(others, func(dir string) bool { return dir == f.folder() })
	slices.Reverse(others)
	return append([]string{f.folder()}, others...)
}

// buildAndKeep builds the named programs and puts them into the store, each whole or not at all.
func (f *finder) buildAndKeep(ctx context.Context, names ...string) error {
	dir := f.folder()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make a folder for the control plane: %w", err)
	}
	// setup-envtest makes its folders read-only.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("make the control plane's folder writable: %w", err)
	}
	// In the same folder, because renaming is atomic only within one file system.
	unfinished := filepath.Join(dir, ".building")
	if err := errors.Join(os.RemoveAll(unfinished), os.Mkdir(unfinished, 0o755)); err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer os.RemoveAll(unfinished)
	if err := f.build(ctx, names, unfinished); err != nil {
		return err
	}
	for _, name := range names {
		file := name
		if name == controllersName {
			file = f.controllersFile
		}
		if err := os.Rename(filepath.Join(unfinished, name), filepath.Join(dir, file)); err != nil {
			return fmt.Errorf("keep %s: %w", name, err)
		}
	}
	return nil
}

// lock makes this process the only one that changes the store, and returns how to give that up.
func (f *finder) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(f.store, 0o755); err != nil {
		return nil, fmt.Errorf("make the store of control planes: %w", err)
	}
	path := filepath.Join(f.store, "."+filepath.Base(f.folder())+".lock")
	return lockFile(ctx, path, func() {
		say(f.progress, "Waiting for another process that is building the control plane (%s)", path)
	})
}

func (f *finder) inFolder(dir string) Binaries {
	return Binaries{
		Etcd:        executable(dir, etcdName),
		APIServer:   executable(dir, apiServerName),
		Controllers: executable(dir, f.controllersFile),
	}
}

// executable returns the path of the named program in dir, or "" if it is not there.
func executable(dir, name string) string {
	if dir == "" {
		return ""
	}
	path, err := filepath.Abs(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return ""
	}
	return path
}

// errNoModuleRoot means that the project's sources are not at hand.
var errNoModuleRoot = errors.New("find the project's folder: neither the working directory nor the sources this " +
	"program was built from lie in a checkout of breakout-operator; run it from inside one")

// ModuleRoot returns the folder of this project's checkout: the one around the working directory, else
// the one this program was built from.
func ModuleRoot() (string, error) {
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		starts = append(starts, filepath.Dir(file))
	}
	for _, dir := range starts {
		for filepath.IsAbs(dir) {
			if _, err := os.Stat(filepath.Join(dir, "hack", "controlplane", "go.mod")); err == nil {
				return dir, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", errNoModuleRoot
}

var kubernetesRequirement = regexp.MustCompile(`(?m)^\s*(?:require\s+)?k8s\.io/kubernetes (v\d+\.\d+\.\d+\S*)`)

// kubernetesVersion returns the version of k8s.io/kubernetes that a go.mod file requires.
func kubernetesVersion(goMod string) (string, error) {
	text, err := os.ReadFile(goMod)
	if err != nil {
		return "", fmt.Errorf("read the control plane's version: %w", err)
	}
	match := kubernetesRequirement.FindSubmatch(text)
	if match == nil {
		return "", fmt.Errorf("read the control plane's version: %s does not require k8s.io/kubernetes", goMod)
	}
	return string(match[1]), nil
}

// controllersFile returns the file name of kube-controllers, which tells what it was built from: its source
// and the versions in the module's folder. A store that several checkouts share has one for each.
func controllersFile(module string) (string, error) {
	sources, err := filepath.Glob(filepath.Join(module, controllersName, "*.go"))
	if err != nil {
		return "", fmt.Errorf("find the source of %s: %w", controllersName, err)
	}
	sum := sha256.New()
	for _, file := range append(sources, filepath.Join(module, "go.mod"), filepath.Join(module, "go.sum")) {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the source of %s: %w", controllersName, err)
		}
		fmt.Fprintf(sum, "%d %s", len(text), text) // the length, because text may move from one file to another
	}
	return fmt.Sprintf("%s-%x", controllersName, sum.Sum(nil)[:6]), nil
}

// minorVersion cuts v1.37.2 down to 1.37.
func minorVersion(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

func say(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, format+"\n", args...)
}
