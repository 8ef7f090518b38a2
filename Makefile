# Image URL to use for all building and pushing image targets.
IMG ?= breakout-operator:latest

CONTAINER_TOOL ?= docker
KUBECTL ?= kubectl

# Two packages' tests at a time: most of them start a control plane of their own.
TEST_PARALLELISM ?= 2
# The race detector, as in: make test RACE=-race. It takes about twice as long.
RACE ?=
# Packages to test, and further flags of go test, as in: make test PKG=./internal/breakout TESTFLAGS=-v
PKG ?= ./...
TESTFLAGS ?=
# Flags of the soak test, as in: make soak SOAKFLAGS="-duration 45s -meetings 20".
SOAKFLAGS ?=
# Flags of the random meetings, as in: make hunt HUNTFLAGS="-hunt.seed=17 -hunt.count=1"; more in test/sim/hunt_test.go.
HUNTFLAGS ?= -hunt.seed=0 -hunt.time=10m
# The same without a cluster; see internal/sampleapp/meeting_test.go.
MEETINGSFLAGS ?= -meetings.seed=0 -meetings.time=1m
# Flags of the benchmark, as in: make bench BENCHFLAGS="-runs 1 -scale 0.1".
BENCHFLAGS ?=
# Flags of the mutants, as in: make mutants MUTANTSFLAGS="-run lock".
MUTANTSFLAGS ?=
# How long each target is fuzzed.
FUZZTIME ?= 30s

# Setting SHELL to bash allows bash commands to be executed by recipes.
SHELL = /usr/bin/env bash -o pipefail
.SHELLFLAGS = -ec

.PHONY: all
all: build

##@ General

# The help target prints out all targets with their descriptions organized beneath their categories.
# The categories are represented by '##@' and the target descriptions by '##'.

.PHONY: help
help: ## Display this help.
	@awk 'BEGIN {FS = ":.*##"; printf "\nUsage:\n  make \033[36m<target>\033[0m\n"} /^[a-zA-Z_0-9-]+:.*?##/ { printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2 } /^##@/ { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } ' $(MAKEFILE_LIST)

##@ Try it

.PHONY: demo
demo: ## Watch a class go to breakout rooms and come back, on a local control plane and a simulated Vonage.
	@$(build-sandbox) ./test/demo
	@exec bin/demo

.PHONY: sandbox
sandbox: ## The same control plane, simulator and operator, to stay up and be used with kubectl.
	@$(build-sandbox)
	@exec bin/sandbox up

# The first build compiles a thousand packages, which takes a sixth less CPU with a little more memory. The operator's
# are among them: the sandbox builds it while it builds the control plane, and both would compile what they share.
build-sandbox = GOGC=$${GOGC:-400} go build -o bin/ ./cmd/sandbox ./cmd/manager

##@ Development

.PHONY: manifests
manifests: controller-gen ## Generate the CustomResourceDefinitions and the operator's ClusterRole.
	"$(CONTROLLER_GEN)" rbac:roleName=manager-role crd paths=./api/... paths=./internal/... output:crd:artifacts:config=config/crd/bases

.PHONY: generate
generate: controller-gen ## Generate the DeepCopy methods.
	"$(CONTROLLER_GEN)" object:headerFile="hack/boilerplate.go.txt" paths="./api/..."

.PHONY: fmt
fmt: ## Format the Go code.
	go fmt ./...
	cd hack/lint && go fmt ./...
	cd hack/controlplane && go fmt ./...

.PHONY: vet
vet: ## Run go vet against the code.
	go vet ./...

.PHONY: lint
lint: golangci-lint ## Run golangci-lint, with kube-api-linter for the API types.
	"$(GOLANGCI_LINT)" run

.PHONY: lint-fix
lint-fix: golangci-lint ## Run golangci-lint and let it put right what it can.
	"$(GOLANGCI_LINT)" run --fix

.PHONY: test
test: manifests generate ## Run all tests: units, the operator on a simulated clock, on a real API server, and the official Node SDKs.
	KUBEBUILDER_ASSETS="$$(go run ./hack/assets)"; export KUBEBUILDER_ASSETS; \
	go test -p $(TEST_PARALLELISM) -timeout 60m $(RACE) $(TESTFLAGS) $(PKG)

.PHONY: hunt
hunt: ## Have random meetings take place on a simulated clock until one breaks a rule: HUNTFLAGS="-hunt.time=10m".
	go test ./test/sim -run TestMeetings -v -timeout 24h -args $(HUNTFLAGS)

.PHONY: meetings
meetings: ## Decide and send in random meetings of the client's model, without a cluster, ten thousand in a minute: MEETINGSFLAGS="-meetings.time=10m".
	go test ./internal/sampleapp -run TestMeetings -v -timeout 24h -args $(MEETINGSFLAGS)

.PHONY: soak
soak: manifests generate ## Edit 200 meetings at random for five minutes while everything fails, and see whether all rules hold: SOAKFLAGS=-help.
	go run ./test/soak $(SOAKFLAGS)

.PHONY: bench
bench: manifests generate ## Measure the operator beside a bare client that does the same, a quarter of an hour on two idle cores: BENCHFLAGS=-help.
	go run ./test/bench $(BENCHFLAGS)

.PHONY: mutants
mutants: ## Put faults into the operator, one at a time, and see that the simulation catches each: MUTANTSFLAGS=-help.
	go run ./test/mutants $(MUTANTSFLAGS)

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME.
	hack/fuzz.sh $(FUZZTIME)

.PHONY: verify
verify: ## Fail if generated files, formatting or the modules' requirements are not current.
	hack/verify.sh

##@ Build

.PHONY: build
build: manifests generate ## Build the programs into bin/.
	go build -o bin/manager ./cmd/manager
	go build -o bin/sandbox ./cmd/sandbox
	go build -o bin/vonage-simulator ./cmd/vonage-simulator

.PHONY: run
run: manifests generate ## Run the operator from this host, against the cluster of the current kubeconfig.
	go run ./cmd/manager

.PHONY: docker-build
docker-build: ## Build the operator's container image.
	$(CONTAINER_TOOL) build -t ${IMG} .

.PHONY: docker-push
docker-push: ## Push the operator's container image.
	$(CONTAINER_TOOL) push ${IMG}

.PHONY: build-installer
build-installer: manifests generate kustomize ## Write everything that an installation needs into dist/install.yaml.
	$(call render,dist/install.yaml)

##@ Deployment

.PHONY: install
install: manifests kustomize ## Install the CustomResourceDefinitions into the cluster of the current kubeconfig.
	"$(KUSTOMIZE)" build config/crd | "$(KUBECTL)" apply --server-side -f -

.PHONY: uninstall
uninstall: manifests kustomize ## Remove the CustomResourceDefinitions, and with them all rooms, from the cluster.
	"$(KUSTOMIZE)" build config/crd | "$(KUBECTL)" delete --ignore-not-found -f -

.PHONY: deploy
deploy: manifests kustomize ## Deploy the operator to the cluster of the current kubeconfig.
	$(call render,dist/deploy.yaml)
	"$(KUBECTL)" apply --server-side -f dist/deploy.yaml

.PHONY: undeploy
undeploy: kustomize ## Remove the operator, its kinds and with them all rooms from the cluster.
	"$(KUSTOMIZE)" build config/default | "$(KUBECTL)" delete --ignore-not-found -f -

##@ Dependencies

.PHONY: controlplane
controlplane: ## Make sure that etcd, kube-apiserver and kube-controllers are there: minutes, once.
	@go run ./hack/assets

.PHONY: tools
tools: controller-gen kustomize setup-envtest golangci-lint ## Build all pinned tools into bin/.

# The tools' versions are those of hack/tools/go.mod and hack/lint/go.mod; a change there builds them anew.
LOCALBIN := $(shell pwd)/bin
CONTROLLER_GEN := $(LOCALBIN)/controller-gen
KUSTOMIZE := $(LOCALBIN)/kustomize
ENVTEST := $(LOCALBIN)/setup-envtest
GOLANGCI_LINT := $(LOCALBIN)/golangci-lint

.PHONY: controller-gen kustomize setup-envtest golangci-lint
controller-gen: $(CONTROLLER_GEN)
kustomize: $(KUSTOMIZE)
setup-envtest: $(ENVTEST)
golangci-lint: $(GOLANGCI_LINT)

$(CONTROLLER_GEN): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,hack/tools,sigs.k8s.io/controller-tools/cmd/controller-gen)
$(KUSTOMIZE): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,hack/tools,sigs.k8s.io/kustomize/kustomize/v5)
$(ENVTEST): hack/tools/go.mod hack/tools/go.sum
	$(call build-tool,hack/tools,sigs.k8s.io/controller-runtime/tools/setup-envtest)
$(GOLANGCI_LINT): hack/lint/go.mod hack/lint/go.sum hack/lint/main.go
	$(call build-tool,hack/lint,.)

# build-tool builds package $2 of the module in folder $1 into the target's file, which it replaces only
# when the build succeeds.
define build-tool
@echo "Building $(notdir $@) (its first build takes a while)"
@mkdir -p $(LOCALBIN)
cd $1 && GOWORK=off go build -trimpath -ldflags "-s -w" -o $@.new $2
@mv $@.new $@
endef

# render writes config/default with the image $(IMG) to the file $1. The image is set in an overlay, so that
# nothing in config/ changes.
define render
rm -rf dist/overlay && mkdir -p dist/overlay
cd dist/overlay && "$(KUSTOMIZE)" create --resources ../../config/default && "$(KUSTOMIZE)" edit set image controller=$(IMG)
"$(KUSTOMIZE)" build dist/overlay > $1
@rm -rf dist/overlay
@echo "Wrote $1"
endef
