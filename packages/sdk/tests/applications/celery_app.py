import os

from celery import Celery
from celery.signals import worker_process_shutdown
from ensign_sdk import Client

folder = os.environ["CELERY_FOLDER"]
app = Celery("tasks", broker="filesystem://", backend=f"file://{folder}/results")
app.conf.broker_transport_options = {
    "data_folder_in": f"{folder}/queue",
    "data_folder_out": f"{folder}/queue",
    "control_folder": f"{folder}/control",  # else the working directory
}

client = Client(url=os.environ["ENSIGN_URL"], token=os.environ["ENSIGN_CLIENT_TOKEN"], app_name="jobs")


@worker_process_shutdown.connect
def say_goodbye(**_: object) -> None:
    client.close()  # Celery's children end without the interpreter's exit: the last counts are sent here


@app.task
def menu(user: str) -> tuple[int, bool]:
    return os.getpid(), client.is_enabled("menu", {"userId": user})
