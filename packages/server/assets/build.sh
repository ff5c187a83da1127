#!/bin/sh
# Rebuilds src/ensign/static/vendor from package-lock.json. Called by `make assets`.
# With --check it fails if the committed files differ from a fresh build.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund --silent
node build.mjs
if [ "${1:-}" = "--check" ]; then
  git diff --exit-code -- ../src/ensign/static/vendor
fi
