"""Exporting a trial from the page: a job that a process of its own does, and the file it leaves."""

import json
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ..search import store
from .guard import json_of
from .jobs import Job
from .site import Site, asking, whole

__all__ = ["routes"]

FORMATS = ("module", "onnx", "pt2")
OWN_CODE = (
    "this study brings code of its own, which an export runs: export it by `foveate export`, "
    "or start the dashboard with --allow-launch"
)
TYPES = {".zip": "application/zip"}
AS_IT_IS = {"Content-Encoding": "identity"}  # weights do not get smaller, only later


def routes(site: Site) -> list[Route]:
    """Asking for an export, how far it is, and its file."""

    async def ask(request: Request) -> Response:
        format = format_of(await json_of(request))
        job = await run_in_threadpool(begin, request, format)
        address = f"/api/v1/jobs/{job.id}"
        return JSONResponse({"job": job.id}, status_code=202, headers={"Location": address})

    def begin(request: Request, format: str) -> Job:
        with site.asked(request) as asked:
            study = asked.study
            number = whole(request.path_params["n"], "a trial", 404)
            trial = asking(lambda: store.find_trial(asked.session, study, number), status=404)
            if trial.state != "complete":
                message = f"trial {number} is {trial.state}: only fully trained ones are exported"
                raise HTTPException(409, message)
            if trial.weights is None:
                raise HTTPException(409, f"the weights of trial {number} were not kept")
            if site.launching is None and any(map(study.spec.get, ("plugins", "backbone_files"))):
                raise HTTPException(409, OWN_CODE)
            named = {"study": study.id, "uid": study.uid, "trial": number, "format": format}
        key = tuple(named.values())
        return site.jobs.ask(key, "search.export_job", named | {"storage": site.storage})

    def state(request: Request) -> Response:
        return JSONResponse(job_json(site.jobs.find(request.path_params["job"])))

    def file(request: Request) -> Response:
        job = site.jobs.find(request.path_params["job"])
        if job.file is None or not job.file.is_file():
            raise HTTPException(404, "there is no file of this job, or none any more")
        kind = TYPES.get(job.file.suffix, "application/octet-stream")
        return FileResponse(job.file, media_type=kind, filename=job.file.name, headers=AS_IT_IS)

    return [
        Route("/api/v1/studies/{id}/trials/{n}/export", ask, methods=["POST"]),
        Route("/api/v1/jobs/{job}", state),
        Route("/api/v1/jobs/{job}/file", file),
    ]


def format_of(asked: dict[str, Any]) -> str:
    """The format that is asked for; 400 for anything that is none."""
    format = asked.get("format", "module")
    if format == "torchscript":
        raise HTTPException(400, "torchscript is deprecated in torch: ask for pt2")
    if format not in FORMATS or set(asked) - {"format"}:
        ways = " or ".join(f'{{"format": "{name}"}}' for name in FORMATS)
        got = json.dumps(asked)[:100]
        raise HTTPException(400, f"an export is asked for by {ways}, got {got}")
    return str(format)


def job_json(job: Job) -> dict[str, Any]:
    """How far a job is, as JSON."""
    found: dict[str, Any] = {
        "state": job.state,
        "stage": job.stage,
        "progress": round(job.progress, 3),
        "message": job.message,
    }
    if job.file is not None:
        found |= {
            "url": f"/api/v1/jobs/{job.id}/file",
            "name": job.file.name,
            "sha256": job.sha256,
            "bytes": job.bytes,
        }
    return found
