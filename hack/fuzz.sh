#!/usr/bin/env bash
# Fuzzes every target there is, one after the other, for the time given (default 30s).
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-30s}
KUBEBUILDER_ASSETS=$(go run ./hack/assets)
export KUBEBUILDER_ASSETS
targets=$(grep -rn --include='*_test.go' -oE '^func Fuzz[A-Za-z]+' . | sed -E 's#^\./(.*)/[^/]+_test\.go:[0-9]+:func (Fuzz.*)#\1 \2#' | sort)
while read -r package target; do
  echo "==> $package $target for $time"
  go test "./$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time"
done <<<"$targets"
echo "==> $(wc -l <<<"$targets") targets fuzzed"
