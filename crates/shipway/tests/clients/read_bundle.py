"""Reads a bundle with the libraries of in-toto and of securesystemslib: BUNDLE KEYS.json

Every line must be a DSSE envelope that a key of the list signed, its payload an in-toto Statement v1, and each
predicate of a type that in-toto knows must be one that its own schema reads. Prints one line a statement.
"""

import json
import pathlib
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.predicates.vsa.v1 import vsa_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

PREDICATES = {
    "https://in-toto.io/attestation/test-result/v0.1": (test_result_pb2.TestResult, ["result", "configuration"]),
    "https://slsa.dev/provenance/v1": (provenance_pb2.Provenance, ["build_definition", "run_details"]),
    "https://slsa.dev/verification_summary/v1": (vsa_pb2.VerificationSummary, ["verifier", "verification_result"]),
}


def main():
    bundle, keys = sys.argv[1:]
    listed = json.loads(pathlib.Path(keys).read_text())["keys"]
    known = [SSlibKey.from_crypto(load_pem_public_key(key["public"].encode()), keyid=key["id"]) for key in listed]
    for line in pathlib.Path(bundle).read_text().splitlines():
        envelope = Envelope.from_dict(json.loads(line))
        accepted = envelope.verify(known, 1)
        assert envelope.payload_type == "application/vnd.in-toto+json", envelope.payload_type
        payload = json.loads(envelope.payload)
        statement = Statement.copy_from_pb(json_format.ParseDict(payload, statement_pb2.Statement()))
        statement.validate()
        kind = statement.pb.predicate_type
        if kind in PREDICATES:
            message, wanted = PREDICATES[kind]
            # A list in SLSA's specification, one string in the schema of this library.
            payload["predicate"].pop("verifiedLevels", None)
            read = json_format.ParseDict(payload["predicate"], message(), ignore_unknown_fields=True)
            for field in wanted:
                value = getattr(read, field)
                assert value or value.ByteSize(), f"{kind} has no {field}"
        print(kind, *accepted)


main()
