#!/bin/sh
# Makes the folder that is packed and installed: sh package.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir "$1"
cp -R "$here"/*.mjs "$here/plugin.json" "$here/package.json" "$here/package-lock.json" "$here/proto" "$1"
mkdir -p "$1/proto/plugins/contract/v1"
cp "$here"/../../contract/v1/*.proto "$1/proto/plugins/contract/v1"
# A plugin's folder has files only, and npm would make links in node_modules/.bin.
npm ci --prefix "$1" --no-bin-links --ignore-scripts --no-audit --no-fund
