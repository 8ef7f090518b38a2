#!/usr/bin/env bash
# Fails if generated files, formatting or the modules' requirements are not current: it brings them up to
# date and compares the checkout with what it was before. Changes that were there before are no failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# snapshot lists every file that is tracked or could be, with a checksum.
snapshot() {
  git ls-files -z --cached --others --exclude-standard | sort -zu |
    while IFS= read -r -d '' file; do
      if [[ -f $file ]]; then sha256sum -- "$file"; fi
    done
}

failed=0
before=$(snapshot)
make --no-print-directory generate manifests fmt
after=$(snapshot)
if [[ $before != "$after" ]]; then
  echo
  echo "These files were not current. They are now: review and commit them (git diff)."
  diff <(echo "$before") <(echo "$after") | sed -n 's/^[<>] [0-9a-f]*  /  /p' | sort -u || true
  failed=1
fi

for module in . hack/controlplane hack/lint hack/tools; do
  echo "go mod tidy -diff in $module"
  if ! (cd "$module" && GOWORK=off go mod tidy -diff 2> >(grep -v '^go: downloading ' >&2)); then
    echo "The requirements of $module/go.mod are not tidy: run go mod tidy there."
    failed=1
  fi
done

if ((failed)); then exit 1; fi
echo "Generated files, formatting and requirements are current."
