import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ensign_sdk import Client
from fastapi import FastAPI, Request


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url, token = os.environ["ENSIGN_URL"], os.environ["ENSIGN_CLIENT_TOKEN"]
    async with Client(url=url, token=token, app_name="checkout") as app.state.flags:
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/menu")
async def menu(request: Request, user: str) -> dict[str, bool]:
    return {"new_menu": request.app.state.flags.is_enabled("menu", {"userId": user})}
