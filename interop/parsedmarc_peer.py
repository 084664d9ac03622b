"""parsedmarc behind a pipe: the path of a file a line in, one JSON object a line out. Run by an interpreter that has
it, not by ours.
"""

import json
import logging
import sys

import parsedmarc

logging.disable(logging.CRITICAL)
for line in sys.stdin:
    try:
        found = parsedmarc.parse_report_file(json.loads(line), offline=True)
        answer = {"kind": found["report_type"], "report": found["report"]}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, default=str), flush=True)
