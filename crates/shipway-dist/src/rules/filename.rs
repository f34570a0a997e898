//! Rules about filenames: checks 52 to 59.

super::rules! {
    error CHARACTERS "filename-characters-52" 52
        why "control characters, separators and a leading dot in a filename are a way to another path"
        fix "rename the file as the build backend wrote it"
    error LENGTH "filename-length-52" 52
        why "file systems hold names of at most 255 bytes, and `.metadata` is appended to this one"
        fix "shorten the name, version or build tag"
    error EXTENSION "filename-extension-53" 53
        why "only `.whl` and `.tar.gz` are distributions (PEP 527, PEP 625, PEP 715)"
        fix "upload the wheel and the `.tar.gz` sdist only"
    error FOLDER "folder-entry-53" 53
        why "what lies beside wheels and sdists is not judged, and `dist/*` in a shell still uploads it or fails on it"
        fix "remove it, or build into an empty folder"
    error SDIST "filename-sdist-54" 54
        why "installers cannot tell name from version unless an sdist is called exactly `{name}-{version}.tar.gz` (PEP 625)"
        fix "rename or rebuild with a current build backend"
    error WHEEL "filename-wheel-55" 55
        why "a wheel's filename is `name-version(-build)?-python-abi-platform.whl`, or no installer can choose it"
        fix "rename or rebuild with a current build backend"
    error NAME "filename-name-56" 56
        why "the name part is normalized, lower case with `_`, so that one project has one spelling"
        fix "rebuild with a current build backend"
    error VERSION "filename-version-57" 57
        why "the version in the filename is what installers choose by; it must be the one in the metadata"
        fix "rebuild, so that filename and metadata come from the same version"
    strict VERSION_FORM "filename-version-form-57" 57
        why "a version that is not in canonical form is spelled differently by different tools (PEP 440)"
        fix "rebuild with a current build backend"
    error PROJECT "filename-project-57" 57
        why "the name in the filename is what installers ask for; it must be the one in the metadata"
        fix "rebuild, so that filename and metadata come from the same project"
    strict TAG "filename-tag-58" 58
        why "no installer matches a tag it does not know, so the wheel is never chosen"
        fix "repair the wheel's platform tag (auditwheel, delocate) or its python and abi tags"
    strict LINUX_TAG "filename-linux-tag-58" 58
        why "a plain `linux_*` wheel promises nothing about the system libraries it needs, and public indexes refuse it"
        fix "run auditwheel to make it a manylinux or musllinux wheel"
    warning TAG_ORDER "filename-tag-order-59" 59
        why "a compressed tag set that is unsorted or repeats a tag gives one wheel several filenames"
        fix "sort the parts of the tag set"
}
