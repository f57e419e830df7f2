#!/bin/sh
# Builds the web console into api/console/dist, from where Go embeds it. Needs Node.js 20.19 or later and npm.
# It stops at the first fault: a type, a unit test, or a page over its weight.
set -eu
cd "$(dirname "$0")/web"
npm ci
npm run check
npm test
npm run build
node weight.mjs
# The browser gets these where it takes gzip. -n keeps times out, so that the same sources give the same files.
find ../dist -type f \( -name '*.js' -o -name '*.css' -o -name '*.html' -o -name '*.svg' \) -exec gzip -9 -n -k -f {} +
