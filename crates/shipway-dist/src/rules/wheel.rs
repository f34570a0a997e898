//! Rules about what a wheel contains: checks 92 to 102.

super::rules! {
    error DIST_INFO "dist-info-92" 92
        why "an installer finds the metadata in the one `{name}-{version}.dist-info` directory that the filename names"
        fix "rebuild; do not rename wheels by hand and do not merge two of them"
    error WHEEL_MISSING "wheel-file-93" 93
        why "without a readable `WHEEL` file no installer knows how to unpack the wheel"
        fix "rebuild with a current build backend"
    error WHEEL_VERSION "wheel-version-93" 93
        why "an installer refuses a wheel whose major version it does not know"
        fix "rebuild with a current build backend; the version is 1.0"
    strict WHEEL_TAG "wheel-tag-93" 93
        why "the tags inside the wheel differ from those in its filename, so tools disagree where it runs"
        fix "use `wheel tags` to change tags, or rebuild; never rename by hand"
    strict WHEEL_BUILD "wheel-build-93" 93
        why "the build tag inside the wheel differs from the one in its filename"
        fix "use `wheel tags --build` to change it, or rebuild"
    strict WHEEL_PURELIB "wheel-purelib-93" 93
        why "a wheel marked pure goes to purelib although its tags name a platform, or the other way round"
        fix "let the build backend set `Root-Is-Purelib`"
    strict WHEEL_FIELD "wheel-field-93" 93
        why "a `WHEEL` line that is malformed, missing or repeated is read differently by different installers"
        fix "rebuild with a current build backend"
    error METADATA_MISSING "metadata-file-94" 94
        why "without a readable `METADATA` file a wheel has no name, version or requirements"
        fix "rebuild with a current build backend"
    error RECORD_MISSING "record-file-95" 95
        why "without a readable `RECORD` nothing in the wheel can be verified, nor uninstalled"
        fix "rebuild with a current build backend"
    error RECORD_ROW "record-row-95" 95
        why "a row that is malformed, repeated or names a path outside the wheel makes uninstalling remove other files"
        fix "rebuild with a current build backend"
    error RECORD_EXTRA "record-extra-96" 96
        why "`RECORD` names a file that the wheel does not hold"
        fix "rebuild, or use `wheel pack`, which writes `RECORD` anew"
    error RECORD_UNLISTED "record-unlisted-96" 96
        why "the wheel holds a file that `RECORD` does not name: it was added afterwards, and is never uninstalled"
        fix "rebuild, or use `wheel pack`, which writes `RECORD` anew"
    error RECORD_HASH "record-hash-97" 97
        why "the bytes of a member are not those that `RECORD` states: it was changed after the build"
        fix "rebuild, or use `wheel pack`, which writes `RECORD` anew"
    error RECORD_ALGORITHM "record-algorithm-97" 97
        why "the standard asks for sha256 or better; md5, sha1 and sha224 can be forged"
        fix "rebuild with a current build backend"
    error RECORD_SIZE "record-size-97" 97
        why "the size of a member is not the one that `RECORD` states"
        fix "rebuild, or use `wheel pack`, which writes `RECORD` anew"
    error ENTRY_POINTS "entry-points-98" 98
        why "an `entry_points.txt` that does not parse breaks the installation or every tool that lists plugins"
        fix "correct the entry points in the project's configuration"
    strict ENTRY_POINT_NAME "entry-point-name-98" 98
        why "the standard recommends letters, digits, `_`, `.` and `-` in names; a script must be a file name"
        fix "rename the entry point"
    strict LICENSE_FILE "license-file-99" 99
        why "a `License-File` that is not under `.dist-info/licenses/` cannot be found by those who must read it (PEP 639)"
        fix "rebuild with a build backend that supports PEP 639, or correct `license-files`"
    strict SBOM "sbom-100" 100
        why "a bill of materials under `.dist-info/sboms/` that is no valid JSON is of no use (PEP 770)"
        fix "generate the document again"
    error DATA_DIRECTORY "data-directory-101" 101
        why "below `.data/` only purelib, platlib, headers, scripts and data are installation schemes; the rest fails to install"
        fix "move the files, or rename the directory"
    warning DATA_SCRIPT "data-script-101" 101
        why "installers rewrite the first line of a script only if it begins with `#!python`"
        fix "begin the script with `#!python`, or use an entry point"
    strict IMPORT_NAME "import-name-102" 102
        why "a declared `Import-Name` that the wheel does not hold misleads whoever looks it up (PEP 794)"
        fix "correct `import-names`, or the packages that the build includes"
    strict IMPORT_STDLIB "import-stdlib-102" 102
        why "a top-level module named like one of the standard library hides it or is hidden by it"
        fix "rename the module"
    error NO_CODE "wheel-empty-102" 102
        why "a wheel that holds nothing to import, run or use is a failed build"
        fix "check which packages the build backend includes"
    error DATA_MISSING "data-missing-102" 102
        why "a data file that the contract declares is not in the wheel, so what reads it fails"
        fix "include the file in the build, or correct `contract.data`"
    strict IMPORT_UNDECLARED "import-undeclared-102" 102
        why "a wheel that declares its import names holds a top-level module that it does not declare (PEP 794)"
        fix "add the module to `import-names` or `import-namespaces`, or leave it out of the wheel"
    error NO_MODULE "wheel-no-module-102" 102
        why "a wheel that holds data but no module, script or library leaves nothing to import: its code was left out of the build"
        fix "check which packages the build backend includes; a wheel of data alone declares so with an empty `Import-Name`"
    strict META_ONLY "wheel-meta-102" 102
        why "a wheel without any file of its own only pulls in others; more often it is a failed build"
        fix "check which packages the build backend includes, unless a metapackage is meant"
    strict TOP_LEVEL_STRAY "wheel-stray-102" 102
        why "a top-level `tests`, `docs` or the like lands in site-packages of everybody and overwrites that of other projects"
        fix "exclude the directory from the wheel"
}
