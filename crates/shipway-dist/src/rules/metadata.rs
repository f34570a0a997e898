//! Rules about core metadata: checks 37 to 51.

super::rules! {
    error SYNTAX "metadata-syntax-37" 37
        why "metadata is a list of `Field: value` lines in UTF-8, then the description; anything else is read differently by different tools"
        fix "rebuild with a current build backend"
    error VERSION "metadata-version-37" 37
        why "a reader refuses metadata of a version it does not know"
        fix "use a `Metadata-Version` from 1.0 to 2.5"
    error REQUIRED "metadata-required-37" 37
        why "`Metadata-Version`, `Name` and `Version` are required"
        fix "rebuild with a current build backend"
    error REPEATED "metadata-repeated-15" 15
        why "of two values of a single-use field some readers take the first and some the last"
        fix "give the field once"
    error NAME "metadata-name-19" 19
        why "a project name consists of ASCII letters, digits, `.`, `-` and `_`, and begins and ends with a letter or digit"
        fix "rename the project"
    error PROJECT_VERSION "metadata-project-version-20" 20
        why "a version that is not in the form of PEP 440 cannot be ordered or required"
        fix "use a version such as `1.4.0` or `1.4.0rc1`"
    strict VERSION_FORM "metadata-version-form-20" 20
        why "a version that is not in canonical form is spelled differently by different tools (PEP 440)"
        fix "write the version in canonical form"
    strict FIELD_TOO_NEW "metadata-field-version-38" 38
        why "a field that the declared metadata version does not have is ignored or refused by readers of that version"
        fix "rebuild with a current build backend, which declares the version it uses"
    strict FIELD_UNKNOWN "metadata-field-unknown-38" 38
        why "a field that no metadata version has is ignored by every tool"
        fix "remove the field, or correct its spelling"
    error SUMMARY "metadata-summary-39" 39
        why "a summary is one line of at most 512 characters"
        fix "shorten the project's description"
    error CONTENT_TYPE "metadata-content-type-40" 40
        why "an index renders text/plain, text/x-rst and text/markdown in UTF-8 only"
        fix "set the content type of the README"
    strict DESCRIPTION_MISSING "metadata-description-41" 41
        why "without a long description the project's page is empty; `twine check --strict` refuses it"
        fix "set `readme` in the project's configuration"
    strict DESCRIPTION_TYPE_MISSING "metadata-description-type-41" 41
        why "without a content type the description is taken for reStructuredText and may not render"
        fix "set the content type of the README"
    warning DESCRIPTION_NOT_CHECKED "description-not-rendered-41" 41
        why "a reStructuredText description can fail to render; whether this one does was not tried here"
        fix "run `shipway check` where Python has docutils"
    strict DESCRIPTION_UNRENDERED "description-markup-41" 41
        why "the reStructuredText of the description is wrong, so the index shows nothing or refuses the upload"
        fix "correct the markup of the README at that line"
    error EMAIL "metadata-email-42" 42
        why "an index refuses what is no e-mail address"
        fix "correct the address"
    strict CLASSIFIER "metadata-classifier-43" 43
        why "an index refuses a classifier that is not in the list"
        fix "correct the classifier; unlisted ones begin with `Private ::`"
    strict CLASSIFIER_DEPRECATED "metadata-classifier-deprecated-43" 43
        why "a public index refuses a deprecated classifier"
        fix "use the classifier that replaces it"
    error URL "metadata-url-44" 44
        why "a project URL is `label, URL` with a label of at most 32 characters, http or https"
        fix "correct the URL"
    error REQUIREMENT "metadata-requirement-45" 45
        why "a requirement that does not parse makes every installation fail (PEP 508)"
        fix "correct the requirement"
    strict REQUIREMENT_URL "metadata-requirement-url-45" 45
        why "a requirement on a URL goes round the index, and public indexes refuse it"
        fix "require the project by name and version"
    error REQUIRES_PYTHON "metadata-requires-python-46" 46
        why "a `Requires-Python` that does not parse hides the release from installers, or from none"
        fix "use a specifier such as `>=3.10`"
    error EXTRA "metadata-extra-47" 47
        why "an extra whose name is not valid cannot be asked for (PEP 508)"
        fix "rename the extra"
    strict EXTRA_TWICE "metadata-extra-twice-47" 47
        why "of two extras with one normalized name only one can be asked for (PEP 685)"
        fix "keep one of them; both spellings ask for it"
    strict EXTRA_FORM "metadata-extra-form-47" 47
        why "from metadata 2.3 on the name of an extra stands there normalized (PEP 685)"
        fix "write the extra in lower case with `-`"
    strict EXTRA_UNDECLARED "metadata-extra-undeclared-47" 47
        why "a requirement names an extra that `Provides-Extra` does not declare, so nobody can ask for it"
        fix "declare the extra"
    error DYNAMIC "metadata-dynamic-48" 48
        why "only fields that may be absent from an sdist can be dynamic, never name, version or metadata version (PEP 643)"
        fix "state the field"
    error LICENSE_BOTH "metadata-license-both-49" 49
        why "`License` and `License-Expression` contradict each other (PEP 639)"
        fix "keep the expression"
    error LICENSE_EXPRESSION "metadata-license-expression-49" 49
        why "a license expression that is not valid SPDX tells no tool anything (PEP 639)"
        fix "use identifiers of the SPDX list, or `LicenseRef-...`"
    strict LICENSE_FORM "metadata-license-form-49" 49
        why "the expression stands in the metadata in its canonical case (PEP 639)"
        fix "write the identifiers as the SPDX list does"
    error LICENSE_PATH "metadata-license-path-49" 49
        why "the path of a license file is relative, with forward slashes and without `..` (PEP 639)"
        fix "correct `license-files`"
    error IMPORT_NAME "metadata-import-name-50" 50
        why "an import name is a dotted identifier, is given once and not both as name and as namespace (PEP 794)"
        fix "correct `import-names` or `import-namespaces`"
    strict IMPORT_PARENT "metadata-import-parent-50" 50
        why "the parents of a dotted import name are given too, as name or as namespace (PEP 794)"
        fix "add the parent to `import-names` or `import-namespaces`"
    warning DEPRECATED "metadata-deprecated-51" 51
        why "the field was replaced in a later version of the metadata"
        fix "use the replacement"
}
