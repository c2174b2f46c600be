#!/bin/sh
# Build the Debian package: deb.sh [DIRECTORY]. "make deb" runs this for build/. The tree, as far as it is under version
# control, is copied to DIRECTORY/deb/qtwisted-VERSION, so that nothing is written into it; the package ends in
# DIRECTORY. Packages of Python are fetched as "make it" does.
set -eu
# What is installed elsewhere is not to be taken for installed here.
unset PYTHONPATH PYTHONHOME PYTHONSAFEPATH VIRTUAL_ENV MAKEFLAGS MFLAGS MAKELEVEL
cd "$(dirname "$0")/.."

mkdir -p "${1:-build}"
build=$(cd "${1:-build}" && pwd)
version=$(sed -n 's/^version = //p' setup.cfg)
tree=$build/deb/qtwisted-$version
rm -rf "$build/deb"
mkdir -p "$tree"
git -c safe.directory='*' ls-files -z >"$build/deb/files" 2>/dev/null ||
	find . -type f ! -path './build/*' ! -path './.venv/*' ! -path './run/*' ! -name '*.pyc' -print0 >"$build/deb/files"
tar -c --null --files-from "$build/deb/files" | tar -x -C "$tree"
cp -R etc/debian "$tree/debian"
(cd "$tree" && dpkg-buildpackage -b -us -uc)
mv "$build"/deb/*.deb "$build"
ls "$build"/*.deb
