"""A typical fast script: reads the segment with csv, sends the contacts with aiohttp, eight calls at once. Arguments: file,
address."""

import asyncio
import csv
import sys

import aiohttp

FILE, URL = sys.argv[1:]


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


async def main():
    at_once = asyncio.Semaphore(8)
    async with aiohttp.ClientSession(headers={"autopilotapikey": "bench"}, raise_for_status=True) as session:

        async def send(batch):
            async with session.post(f"{URL}/contacts", json={"contacts": batch}) as answer:
                await answer.json()
            at_once.release()

        calls, batch = set(), []
        with open(FILE, newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                batch.append(contact(row))
                if len(batch) == 100:
                    await at_once.acquire()
                    call = asyncio.create_task(send(batch))
                    calls.add(call)
                    call.add_done_callback(calls.discard)
                    batch = []
        if batch:
            await at_once.acquire()
            await send(batch)
        await asyncio.gather(*calls)


asyncio.run(main())
