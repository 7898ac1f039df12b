"""Simple JWT's own views, a page behind a session and a page for all."""

from django.http import HttpResponse
from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.views import TokenBlacklistView, TokenObtainPairView, TokenRefreshView


class Me(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"name": request.user.username, "chat": request.headers.get("X-Chat-UserID")})


urlpatterns = [
    path("", lambda request: HttpResponse("welcome")),
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/blacklist/", TokenBlacklistView.as_view()),
    path("api/me/", Me.as_view()),
]
