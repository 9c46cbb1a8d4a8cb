from django.urls import path

from chat import views

urlpatterns = [
    path("", views.conversation, name="new"),
    path("say/", views.say, name="begin"),
    path("<int:pk>/", views.conversation, name="conversation"),
    path("<int:pk>/say/", views.say, name="say"),
    path("<int:pk>/again/", views.again, name="again"),
    path("<int:pk>/forget/", views.forget, name="forget"),
    path("<int:pk>/pictures/<int:number>/<int:index>/", views.picture, name="picture"),
]
