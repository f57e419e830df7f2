#!/usr/bin/env bash
# Installs what the tests need, builds, and runs every test. It works on a fresh clone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export GOFLAGS="${GOFLAGS:+$GOFLAGS }-buildvcs=false"

step() { printf '\n== %s (%ds)\n' "$1" "$SECONDS"; }

step "what the tests need"
for command in go node npm; do
	command -v "$command" >/dev/null || { echo "test.sh: $command is not on the PATH; Go 1.26 and Node.js 20.19 or later are needed" >&2; exit 1; }
done
if ! command -v chromium >/dev/null; then
	install="apt-get install -y --no-install-recommends chromium"
	[ "$(id -u)" = 0 ] || install="sudo $install"
	$install >/dev/null 2>&1 || { apt-get update >/dev/null && $install >/dev/null; } ||
		{ echo "test.sh: install Chromium, which the browser tests drive" >&2; exit 1; }
fi

step "console: check, test and build"
api/console/build.sh
if [ -f deploy/browser/package-lock.json ]; then
	(cd deploy/browser && npm ci --no-audit --no-fund)
fi

step "build"
mkdir -p .bin
go build -o .bin/unionlink ./deploy/unionlink
.bin/unionlink engine # fetched once, before any test's deadline runs

step "gofmt, go vet"
# Only what is in git or would be: the build leaves other files beside.
unformatted=$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l)
[ -z "$unformatted" ] || { printf 'test.sh: gofmt these files:\n%s\n' "$unformatted" >&2; exit 1; }
go vet ./...

step "go test" # vetted above
go test -vet=off -p 2 -timeout 30m ./...
