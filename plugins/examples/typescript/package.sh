#!/bin/sh
# Makes the folder that is packed and installed: sh package.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir "$1"
package=$(cd "$1" && pwd)
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
cd "$build"

cp -R "$here/." .
mkdir -p proto/plugins/contract/v1
cp "$here"/../../contract/v1/*.proto proto/plugins/contract/v1
npm ci --ignore-scripts
npm run build

cp -R main.js flowgauge.js plugin.json package.json package-lock.json proto "$package"
# A plugin's folder has files only, and npm would make links in node_modules/.bin.
npm ci --prefix "$package" --omit=dev --no-bin-links --ignore-scripts
