//! Rules about the bytes of an archive: checks 71 to 91, 103, 104 and 109.
//!
//! Most of them exist because two readers of one archive must never see two contents.

super::rules! {
    error NOT_A_DISTRIBUTION "file-magic-71" 71
        why "the first bytes are not those of the kind of file that its name promises, so no installer can open it"
        fix "build the distribution again and upload the file that the build backend wrote"
    error POLYGLOT "file-polyglot-72" 72
        why "a file that is both a zip and a tar shows one content to a scanner and another to an installer"
        fix "build the distribution again with an ordinary build backend"
    error BOUND "archive-bound-73" 73
        why "an archive beyond the bounds on members, sizes, name lengths and depth exhausts whoever reads it"
        fix "ship fewer or smaller members; large data belongs outside the distribution"
    error RATIO "archive-ratio-74" 74
        why "more than 64 MiB at more than fifty times the size of the file is how a decompression bomb looks"
        fix "ship large, highly compressible data in another way, or generate it at run time"
    error PATH_ESCAPE "path-escape-75" 75
        why "an absolute path, a drive letter, `..` or a backslash writes outside the directory it is unpacked into"
        fix "give the member a relative path with `/` between its parts"
    error PATH_TEXT "path-text-75" 75
        why "a member name that is empty, not UTF-8 or holds control characters is read differently by different tools"
        fix "rename the member"
    error PATH_NOT_NORMAL "path-not-normal-75" 75
        why "`a//b` and `./a` are other names for a member that an installer writes only once"
        fix "write the member under its plain path"
    error PATH_EQUAL "path-equal-75" 75
        why "two names that differ only in case or in Unicode normalization overwrite each other on macOS and Windows"
        fix "rename one of the two members"
    strict PATH_PORTABLE "path-portable-75" 75
        why "Windows cannot create files with these names, so the distribution does not install there"
        fix "rename the member"
    error PATH_PREFIX "path-prefix-76" 76
        why "one name is both a file and a directory, so what is unpacked depends on the order"
        fix "rename the file or the directory"
    error ZIP_RECORD "zip-record-78" 78
        why "bytes before the first member or a record that is no local header hide content from some readers (APPNOTE 4.3.6)"
        fix "write the archive again with an ordinary zip writer; wheels carry no prefix"
    error ZIP_END "zip-end-79" 79
        why "without exactly one end record at the very end, readers disagree about where the archive is (APPNOTE 4.3.16)"
        fix "write the archive again; append nothing to a wheel"
    error ZIP_DIRECTORY "zip-directory-80" 80
        why "the count, offset or size of the central directory differs from the end record, so readers see different members"
        fix "write the archive again with an ordinary zip writer"
    error ZIP_ZIP64 "zip-zip64-81" 81
        why "zip64 end records that contradict the plain ones make two readers see two archives (APPNOTE 4.3.14, 4.3.15)"
        fix "write the archive again with an ordinary zip writer"
    error ZIP_DISK "zip-disk-82" 82
        why "a wheel is never split over several disks, and readers treat the disk fields differently"
        fix "write the archive again as a single file"
    error ZIP_DUPLICATE "zip-duplicate-83" 83
        why "of two members with one name, some readers take the first and some the last"
        fix "write each member once"
    error ZIP_LOCAL_NAME "zip-local-name-83" 83
        why "the local header names another member than the central directory, so streaming and seeking readers differ"
        fix "write the archive again with an ordinary zip writer"
    error ZIP_LOCAL_FIELD "zip-local-field-84" 84
        why "size, CRC, method or flags differ between local header and central directory, so readers differ"
        fix "write the archive again with an ordinary zip writer"
    error ZIP_DESCRIPTOR "zip-descriptor-85" 85
        why "a member with a data descriptor has no size in front of it, so a streaming reader must guess where it ends"
        fix "write the archive to a seekable file, not to a pipe"
    error ZIP_COMMENT "zip-comment-86" 86
        why "a comment on a member is space that no installer reads and any tool may interpret"
        fix "write the archive without comments on members"
    error ZIP_EXTRA "zip-extra-87" 87
        why "an extra field that is malformed, repeated or contradicts the header gives the member another name or size"
        fix "write the archive without extra fields"
    error ZIP_METHOD "zip-method-88" 88
        why "installers read only stored and deflated members without encryption, with names in ASCII or marked as UTF-8"
        fix "write the archive with deflate, without encryption, and with the UTF-8 flag on names outside ASCII"
    error ZIP_OVERLAP "zip-overlap-89" 89
        why "members that overlap are how a zip bomb hides, and how one byte range gets two meanings"
        fix "write the archive again with an ordinary zip writer"
    error ZIP_GAP "zip-gap-89" 89
        why "bytes between members belong to none of them: they are hidden content or a broken writer"
        fix "write the archive again; do not delete or replace members in place"
    error MEMBER_DAMAGED "member-damaged-90" 90
        why "a member that does not inflate to the size and CRC that its header states is damaged or forged"
        fix "build the distribution again and copy it without conversion"
    error MEMBER_KIND "member-kind-91" 91
        why "links and devices in a wheel are refused by installers or write outside the environment"
        fix "ship the file itself in place of the link"
    error GZIP_FRAME "gzip-frame-103" 103
        why "a second gzip member, trailing bytes or a wrong checksum give different contents to different readers (RFC 1952)"
        fix "write the sdist again as one gzip member"
    error TAR_HEADER "tar-header-103" 103
        why "a header with a wrong checksum or malformed number is skipped by some readers and fatal to others"
        fix "write the sdist again with an ordinary tar writer"
    error TAR_END "tar-end-103" 103
        why "a tar without two zero blocks at its end is truncated, and bytes behind them are seen by some readers only"
        fix "write the sdist again and copy it without conversion"
    error TAR_EXTENSION "tar-extension-104" 104
        why "a malformed or contradictory extended header gives the member two names or two sizes"
        fix "write the sdist in plain pax format"
    warning TAR_FORMAT "tar-format-104" 104
        why "PEP 625 asks for the pax format; GNU and old formats cannot hold every name"
        fix "write the sdist in pax format; current build backends do"
    error TAR_SPARSE "tar-sparse-104" 104
        why "a sparse member is expanded by some readers and not by others"
        fix "write the sdist without sparse members"
    error TAR_LINK "tar-link-108" 108
        why "a link that leaves the tree, or a hard link to no earlier member, writes or reads outside the directory it is unpacked into (PEP 721)"
        fix "ship the file itself in place of the link"
    strict TAR_LINK_MISSING "tar-link-missing-108" 108
        why "a symbolic link to what the archive does not hold is dead wherever it is unpacked"
        fix "include the target, or leave the link out"
    error TAR_KIND "tar-kind-108" 108
        why "devices, FIFOs and unknown types have no place in source code (PEP 721)"
        fix "leave the member out"
    strict TAR_MODE "tar-mode-108" 108
        why "the set-user-id, set-group-id and sticky bits have no place in source code; unpackers clear them (PEP 721)"
        fix "clear the mode bits, or build in a directory without them"
    error TAR_DUPLICATE "tar-duplicate-109" 109
        why "of two members with one name the last wins in some readers and the first in others"
        fix "write each member once"
}
