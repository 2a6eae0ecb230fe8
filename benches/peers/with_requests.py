"""A typical script: reads the segment with csv, sends the contacts with requests, one call after the other. Arguments: file,
address."""

import csv
import sys

import requests

FILE, URL = sys.argv[1:]
session = requests.Session()
session.trust_env = False
session.headers["autopilotapikey"] = "bench"


def contact(row):
    fields = {
        "Email": row["EMail"], "FirstName": row["FirstName"], "LastName": row["LastName"], "Phone": row["Telephone1"],
        "MailingCity": row["City"],
    }
    body = {name: value for name, value in fields.items() if value}
    body["custom"] = {"boolean--In--Bench": True}
    if row["LifetimeValue"]:
        body["custom"]["float--Lifetime--Value"] = float(row["LifetimeValue"])
    return body


def send(batch):
    session.post(f"{URL}/contacts", json={"contacts": batch}).raise_for_status()


batch = []
with open(FILE, newline="", encoding="utf-8-sig") as file:
    for row in csv.DictReader(file):
        batch.append(contact(row))
        if len(batch) == 100:
            send(batch)
            batch = []
if batch:
    send(batch)
