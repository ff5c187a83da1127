import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from ensign_sdk import Client

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="not-a-secret",
    ENSIGN_URL=os.environ["ENSIGN_URL"], ENSIGN_CLIENT_TOKEN=os.environ["ENSIGN_CLIENT_TOKEN"],
)  # fmt: skip

client = Client(url=settings.ENSIGN_URL, token=settings.ENSIGN_CLIENT_TOKEN, app_name="shop")


def menu(request: HttpRequest) -> HttpResponse:
    on = client.is_enabled("menu", {"userId": request.GET.get("user", "")})
    return HttpResponse(f"{os.getpid()} {'on' if on else 'off'}")


urlpatterns = [path("", menu)]
application = get_wsgi_application()
