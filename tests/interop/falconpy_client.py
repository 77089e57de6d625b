"""Drives an unmodified FalconPy against the relay and prints what FalconPy itself reports, as one JSON line.

Arguments: host:port/key, api key, a file of raw events.
The CA of the relay's certificate is in REQUESTS_CA_BUNDLE.
"""
import json
import sys

from falconpy import HEC

url_key, api_key, raw_file = sys.argv[1:4]
report = {}

hec = HEC(api_key=api_key, api_url_key=url_key)
hec.test_connection()
report["test_connection"] = [hec.last_status, hec.last_message]

hec.send_event({"host": "edge-1", "message": "one", "big": 9223372036854775807,
                "fields": {"#falconpy": "Sample payload"}})
report["send_event"] = [hec.last_status, hec.last_message]

report["send_event_list"] = hec.send_event_list([{"host": "edge-1", "message": f"list {n}"} for n in range(20)])
report["send_event_list_status"] = [hec.last_status, hec.last_message]

raw = HEC(api_key=api_key, api_url_key=url_key, raw_ingest=True)
raw.send_event_file(raw_file)
report["send_event_file"] = [raw.last_status, raw.last_message]

print(json.dumps(report, default=str))
