#!/usr/bin/env bash
# Builds the console and the binary, and runs everything: ./deploy/up.sh [arguments of `unionlink up`]
# For instance: ./deploy/up.sh --demo
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

need() { # command, what it is, how to get it
	command -v "$1" >/dev/null || { echo "up.sh: $2 is not on the PATH: $3" >&2; exit 1; }
}
need go "Go 1.26 or later" "see https://go.dev/doc/install"
need node "Node.js 20.19 or later" "see https://nodejs.org"
need npm "npm" "it comes with Node.js, see https://nodejs.org"

# The console is built when it is missing or older than its sources.
built="$root/api/console/dist/index.html"
if [ ! -e "$built" ] || [ -n "$(find "$root/api/console/web" -name node_modules -prune -o -type f -newer "$built" -print -quit)" ]; then
	echo "up.sh: building the console"
	"$root/api/console/build.sh"
fi

mkdir -p "$root/.bin"
echo "up.sh: building unionlink"
(cd "$root" && go build -buildvcs=false -o .bin/unionlink ./deploy/unionlink)
exec "$root/.bin/unionlink" up "$@"
