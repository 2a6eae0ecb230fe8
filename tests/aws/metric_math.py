"""CloudWatch's metric maths, as far as the alarms of infra/ use it: IF, EPOCH, FILL, comparisons, numbers, the queries' ids.

Source: the CloudWatch user guide, "Using math expressions with CloudWatch metrics", and "Configuring how alarms treat missing data".
"""

import re

TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|[A-Za-z_]\w*|[(),<>])")


def parse(text):
    """An expression as a tree: a number, a name, or (function, arguments)."""
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == text.replace(" ", ""), f"not understood: {text}"

    def operand():
        token = tokens.pop(0)
        if token[0].isdigit():
            return float(token)
        if not tokens or tokens[0] != "(":
            return token
        tokens.pop(0)
        arguments = [whole()]
        while tokens.pop(0) == ",":
            arguments.append(whole())
        return token, arguments

    def whole():
        left = operand()
        if tokens and tokens[0] in "<>":
            return tokens.pop(0), [left, operand()]
        return left

    tree = whole()
    assert not tokens, f"not understood: {text}"
    return tree


def value(tree, at, queries, metrics):
    """The value of an expression at a time, in seconds since 1970; none where it has no data point."""
    if isinstance(tree, float):
        return tree
    if isinstance(tree, str):
        query = queries[tree]
        return value(parse(query["Expression"]), at, queries, metrics) if "Expression" in query else sample(query["MetricStat"], metrics.get(at))
    function, arguments = tree
    if function == "EPOCH":
        return float(at)
    values = [value(one, at, queries, metrics) for one in arguments]
    if function == "FILL":
        return values[1] if values[0] is None else values[0]
    if None in values[:1]:
        return None
    if function == "IF":
        return values[1] if values[0] else values[2]
    return float(values[0] < values[1] if function == "<" else values[0] > values[1])


def sample(stat, runs):
    """The data point of an hour's runs, each a metric's name -> its value; none where there was none."""
    if not runs:
        return None
    values = [run[stat["Metric"]["MetricName"]] for run in runs]
    return {"Sum": sum(values), "SampleCount": float(len(values)), "Maximum": max(values)}[stat["Stat"]]


def is_in_alarm(alarm, now, metrics):
    """Whether an alarm of one hour's periods is in alarm at `now`, with these metrics: the hour's start -> its runs'."""
    queries = {query["Id"]: query for query in alarm["Metrics"]}
    (returned,) = [query for query in alarm["Metrics"] if query.get("ReturnData", True)]
    assert (alarm["ComparisonOperator"], alarm["TreatMissingData"]) == ("LessThanThreshold", "breaching")
    last = now - now % 3600
    hours = [last - 3600 * (number + 1) for number in range(alarm["EvaluationPeriods"])]
    points = [value(returned["Id"], hour, queries, metrics) for hour in hours]
    breaching = [point is None or point < alarm["Threshold"] for point in points]
    return sum(breaching) >= alarm["DatapointsToAlarm"]
