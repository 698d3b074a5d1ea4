"""Sends the events of a pipeline with OpenLineage's own client.

    emit.py URL API_KEY TRANSPORT

TRANSPORT is http, gzip or async_http. A DAG runs two tasks, of which the second
starts a Spark job and fails. The ends are sent before the starts where OUT_OF_ORDER
is set, as they may be by transports that do not keep the order.
"""

import os
import sys
import uuid

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent, Job, JobEvent, OutputDataset, Run, RunEvent, RunState, StaticDataset, set_producer,
)
from openlineage.client.facet_v2 import (
    error_message_run, job_type_job, nominal_time_run, output_statistics_output_dataset, ownership_job,
    parent_run, processing_engine_run,
)

set_producer("https://flowgauge.example/tests")


def client(url, key, transport):
    config = {
        "type": "async_http" if transport == "async_http" else "http",
        "url": url,
        "auth": {"type": "api_key", "apiKey": key},
    }
    if transport == "gzip":
        config["compression"] = "gzip"
    return OpenLineageClient(config={"transport": config})


def run_id(name, transport):
    return str(uuid.uuid5(uuid.NAMESPACE_URL, transport + "/" + name))


def events(transport):
    dag_run, ok_run, bad_run, spark_run = (run_id(n, transport) for n in ("dag", "ok", "bad", "spark"))
    at = "2024-05-31T10:{}Z".format
    engine = processing_engine_run.ProcessingEngineRunFacet(version="2.10.0", name="Airflow", openlineageAdapterVersion="1.9.0")
    nominal = nominal_time_run.NominalTimeRunFacet(nominalStartTime="2024-05-30T00:00:00Z", nominalEndTime="2024-05-31T00:00:00Z")
    owner = ownership_job.OwnershipJobFacet(owners=[ownership_job.Owner(name="user:ann")])
    dag = Job(namespace="airflow", name="dag", facets={
        "jobType": job_type_job.JobTypeJobFacet(processingType="BATCH", integration="AIRFLOW", jobType="DAG"), "ownership": owner,
    })
    up = parent_run.ParentRunFacet(run=parent_run.Run(runId=dag_run), job=parent_run.Job(namespace="airflow", name="dag"))
    root = parent_run.Root(run=parent_run.RootRun(runId=dag_run), job=parent_run.RootJob(namespace="airflow", name="dag"))
    below = parent_run.ParentRunFacet(
        run=parent_run.Run(runId=bad_run), job=parent_run.Job(namespace="airflow", name="dag.bad"), root=root,
    )
    task = {"jobType": job_type_job.JobTypeJobFacet(processingType="BATCH", integration="AIRFLOW", jobType="TASK")}
    error = error_message_run.ErrorMessageRunFacet(message="ValueError: no rows", programmingLanguage="python")
    size = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=3, size=4096)
    out = OutputDataset(namespace="db", name="table", outputFacets={"outputStatistics": size})

    def said(when, kind, run, facets, job, **more):
        return RunEvent(eventTime=at(when), run=Run(runId=run, facets=facets), job=job, eventType=kind, **more)

    def named(namespace, name, facets=None):
        return Job(namespace=namespace, name=name, facets=facets or {})

    yield said("00:00", RunState.START, dag_run, {"nominalTime": nominal, "processing_engine": engine}, dag)
    yield said("00:10", RunState.START, ok_run, {"parent": up}, named("airflow", "dag.ok", task))
    yield said("00:20", RunState.RUNNING, ok_run, {"parent": up}, named("airflow", "dag.ok"))
    yield said("00:40", RunState.COMPLETE, ok_run, {"parent": up}, named("airflow", "dag.ok"), outputs=[out])
    yield said("00:40", RunState.START, bad_run, {"parent": up}, named("airflow", "dag.bad", task))
    yield said("00:45", RunState.START, spark_run, {"parent": below}, named("spark", "app.insert"))
    yield said("00:50", RunState.ABORT, spark_run, {"parent": below}, named("spark", "app.insert"))
    yield said("01:00", RunState.FAIL, bad_run, {"parent": up, "errorMessage": error}, named("airflow", "dag.bad"))
    yield said("01:05", RunState.FAIL, dag_run, {"errorMessage": error}, dag)
    yield JobEvent(eventTime=at("02:00"), job=named("airflow", "dag"))
    yield DatasetEvent(eventTime=at("02:00"), dataset=StaticDataset(namespace="db", name="table"))


def main():
    url, key, transport = sys.argv[1:]
    all_events = list(events(transport))
    if os.environ.get("OUT_OF_ORDER"):
        all_events.reverse()
    c = client(url, key, transport)
    for event in all_events:
        c.emit(event)
    if not c.close(timeout=60):
        sys.exit("not everything was sent")


main()
