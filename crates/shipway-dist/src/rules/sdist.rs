//! Rules about what an sdist contains: checks 105 to 111.

super::rules! {
    error TOP_DIRECTORY "sdist-top-105" 105
        why "an sdist unpacks into exactly one directory `{name}-{version}` (PEP 625, source distribution format)"
        fix "rebuild with a current build backend"
    error PKG_INFO "sdist-pkg-info-106" 106
        why "without exactly one readable `PKG-INFO` at the top an sdist has no name, version or requirements"
        fix "rebuild with a current build backend"
    strict PKG_INFO_OLD "sdist-pkg-info-old-106" 106
        why "before metadata 2.2 nothing in `PKG-INFO` is reliable, so an index must build the sdist to know it (PEP 643)"
        fix "rebuild with a current build backend"
    strict PYPROJECT_MISSING "sdist-pyproject-missing-107" 107
        why "an sdist without `pyproject.toml` builds with whatever setuptools happens to be there (PEP 518)"
        fix "add a `pyproject.toml` with a `[build-system]` table"
    error PYPROJECT "sdist-pyproject-107" 107
        why "a `pyproject.toml` that is not valid TOML makes every build fail"
        fix "correct the file"
    strict LICENSE_FILE "sdist-license-file-110" 110
        why "a `License-File` that is not in the sdist cannot be found by those who must read it (PEP 639)"
        fix "include the file in the sdist, or correct `license-files`"
    error DATA_COPY "data-copy-111" 111
        why "two copies of a declared data file that differ: which one counts depends on how the project is installed"
        fix "keep one copy, or make them the same"
    error STATIC_FIELD "static-field-111" 111
        why "a field that the sdist does not mark `Dynamic` must be the same in every wheel built from it (PEP 643)"
        fix "mark the field dynamic, or build sdist and wheels from the same tree"
}
