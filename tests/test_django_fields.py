"""Conversations in a database, and files that browsers send."""

import io
import json

import djangos
import pytest
from chats import PICTURE
from django import forms
from django.core import serializers
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.db.migrations.writer import MigrationWriter

from llmkit import (
    AssistantMessage,
    Audio,
    ConfigurationError,
    Document,
    Image,
    SystemMessage,
    Text,
    Thinking,
    ToolCall,
    UserMessage,
)
from llmkit.django import MessagesField
from llmkit.django.forms import MessagesFormField, UploadField
from llmkit.history import dumps, to_data

database = djangos.database
TALK = [
    SystemMessage("Be brief."),
    UserMessage(["Look:", PICTURE]),
    AssistantMessage(
        [Thinking("Hm", signature="s", wire="anthropic-messages"), Text("A picture"), ToolCall("c1", "look", {"at": 1})]
    ),
    UserMessage([ToolCall("c1", "look").result("It is red.")]),
]


class Conversation(models.Model):
    messages = MessagesField()
    draft = MessagesField(null=True, blank=True, default=None)

    class Meta:
        app_label = "llmkit"  # it must be one that is there

    def __str__(self):
        return str(self.pk)


@pytest.fixture
def table(database):
    with database.schema_editor() as editor:
        editor.create_model(Conversation)
    return database


def again(row):
    return Conversation.objects.get(pk=row.pk)


GIVEN = {
    "a tuple": (UserMessage("Hi"),),
    "dicts": [{"role": "user", "content": "Hi"}],
    "JSON": to_data([UserMessage("Hi")]),
    "its text": dumps([UserMessage("Hi")]),
}


OLD = {"dicts": [{"role": "user", "content": "Hi"}], "none": []}


WRONG = {
    "text": "Hi",
    "a number": 7,
    "a list of text": ["Hi"],
    "other JSON": {"role": "user"},
    "what JSON cannot hold": [AssistantMessage(ToolCall("c", "f", {"x": float("nan")}))],
}


class TestField:
    def test_nothing_is_lost(self, table):
        row = Conversation.objects.create(messages=TALK)
        assert again(row).messages == TALK
        assert again(row).draft is None
        assert to_data(again(row).messages) == to_data(TALK)

    def test_a_new_one_is_empty_and_ones_own(self, table):
        row, other = Conversation(), Conversation()
        row.messages.append(UserMessage("Hi"))
        assert other.messages == []
        other.full_clean()
        row.save()
        other.save()
        assert again(row).messages == [UserMessage("Hi")]
        assert again(other).messages == []

    def test_a_chat_goes_on(self, table, client):
        row = Conversation.objects.create()
        for text in ("One", "Two"):
            chat = client.chat(history=again(row).messages)
            chat.send(text)
            row.messages = chat.messages
            row.save()
        assert [message.text for message in again(row).messages] == ["One", "One", "Two", "Two"]

    @pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN.keys())
    def test_what_may_be_assigned(self, table, given):
        row = Conversation(messages=given)
        row.save()
        assert again(row).messages == [UserMessage("Hi")]
        row.full_clean()
        assert row.messages == [UserMessage("Hi")]

    @pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
    def test_what_may_not(self, table, wrong):
        row = Conversation(messages=wrong)
        with pytest.raises(ValidationError) as caught:
            row.full_clean()
        assert list(caught.value.message_dict) == ["messages"]
        with pytest.raises(ConfigurationError):
            row.save()
        assert not Conversation.objects.exists()

    def test_none_only_where_it_is_allowed(self, table):
        row = Conversation(messages=None, draft=None)
        with pytest.raises(ValidationError) as caught:
            row.full_clean()
        assert caught.value.message_dict == {"messages": ["This field cannot be null."]}

    def test_updates(self, table):
        row = Conversation.objects.create()
        Conversation.objects.update(messages=TALK)
        assert again(row).messages == TALK
        row.messages = TALK[:1]
        Conversation.objects.bulk_update([row], ["messages"])
        assert again(row).messages == TALK[:1]
        Conversation.objects.update(draft=models.F("messages"))
        assert again(row).draft == TALK[:1]

    def test_look_ups(self, table):
        Conversation.objects.create(messages=TALK)
        Conversation.objects.create(messages=[UserMessage("Hi")])
        found = Conversation.objects.filter(messages__messages__0__role="user")
        assert [row.messages for row in found] == [[UserMessage("Hi")]]
        for given in GIVEN.values():
            assert Conversation.objects.get(messages=given).messages == [UserMessage("Hi")]
        assert not Conversation.objects.filter(messages__messages=[]).exists()
        assert list(found.values_list("messages__messages__0__role", flat=True)) == ["user"]
        assert Conversation.objects.filter(draft__isnull=True).count() == 2

    def test_look_ups_of_empty_ones(self, table):
        """What is stored of them is more than an empty list."""
        empty, full = Conversation.objects.create(), Conversation.objects.create(messages=TALK)
        assert Conversation.objects.get(messages=[]) == empty
        assert Conversation.objects.exclude(messages=[]).get() == full
        assert set(Conversation.objects.filter(messages__in=[[], TALK])) == {empty, full}
        assert set(Conversation.objects.filter(messages=models.F("messages"))) == {empty, full}
        assert not Conversation.objects.filter(draft=[]).exists()
        assert not Conversation.objects.filter(draft__in=[None, []]).exists()

    def test_what_queries_make_of_them(self, table):
        """Messages are such, and what is inside of them is JSON, whatever the expression."""
        row = Conversation.objects.create(messages=[UserMessage("Hi")])
        role = "messages__messages__0__role"
        assert Conversation.objects.aggregate(found=models.Max(role)) == {"found": "user"}
        same = Conversation.objects.filter(pk=models.OuterRef("pk"))
        found = Conversation.objects.annotate(
            role=models.Subquery(same.values(role)), all=models.Subquery(same.values("messages"))
        ).get()
        assert (found.role, found.all) == ("user", row.messages)

    @pytest.mark.parametrize("stored", OLD.values(), ids=OLD.keys())
    def test_what_was_a_field_of_json_before(self, table, stored):
        row = Conversation.objects.create()
        with table.cursor() as cursor:
            cursor.execute("UPDATE llmkit_conversation SET messages = %s", [json.dumps(stored)])
        assert [message.text for message in again(row).messages] == [message["content"] for message in stored]

    @pytest.mark.parametrize("form", ["json", "python"])
    def test_fixtures(self, table, form):
        row = Conversation.objects.create(messages=TALK[:1])
        told = serializers.serialize(form, [row])
        Conversation.objects.all().delete()
        for found in serializers.deserialize(form, told):
            found.save()
        assert again(row).messages == TALK[:1]
        assert again(row).draft is None

    def test_migrations(self):
        text, imports = MigrationWriter.serialize(Conversation._meta.get_field("messages"))
        assert (text, imports) == ("llmkit.django.MessagesField()", {"import llmkit.django"})
        text, _ = MigrationWriter.serialize(Conversation._meta.get_field("draft"))
        assert text == "llmkit.django.MessagesField(blank=True, default=None, null=True)"


class ConversationForm(forms.ModelForm):
    class Meta:
        model = Conversation
        fields = ("messages",)


class TestForms:
    def test_a_page_shows_the_json_and_takes_it_back(self, table):
        row = Conversation.objects.create(messages=TALK)
        form = ConversationForm(instance=row)
        assert isinstance(form.fields["messages"], MessagesFormField)
        text = form["messages"].value()
        assert json.loads(text) == to_data(TALK)
        assert text.count("\n") > 10, "to be read by people"
        unchanged = ConversationForm({"messages": text}, instance=row)
        assert not unchanged.has_changed()
        changed = ConversationForm({"messages": text.replace("Be brief.", "Be long.")}, instance=row)
        assert changed.has_changed()
        assert changed.save().messages[0] == SystemMessage("Be long.")
        assert again(row).messages[0] == SystemMessage("Be long.")

    def test_an_empty_one(self, table):
        form = ConversationForm({"messages": json.dumps(to_data([]))}, instance=Conversation())
        assert not form.has_changed()
        assert form.save().messages == []

    def test_none(self):
        field = MessagesFormField(required=False)
        assert field.prepare_value(None) == "null"
        assert field.clean("null") is None

    @pytest.mark.parametrize(
        "text",
        ["{", "7", '{"llmkit": "history"}', '[{"role": "nobody"}]', "", pytest.param("[" * 100_000, id="too deep")],
    )
    def test_what_is_none(self, text):
        form = ConversationForm({"messages": text})
        assert list(form.errors) == ["messages"]
        if text:
            assert form.has_changed()
            assert form["messages"].value() is not None

    def test_one_that_begins_with_text(self):
        assert not MessagesFormField(initial="[]").has_changed("[]", json.dumps(to_data([])))

    def test_one_that_cannot_be_edited(self):
        field = MessagesFormField(disabled=True)
        assert not field.has_changed([], "7")


def upload(name, data, content_type="application/octet-stream"):
    return SimpleUploadedFile(name, data, content_type)


TAKEN = {
    "a picture": (("image",), upload("red.png", PICTURE.data, "image/png"), Image, "image/png"),
    "whatever the browser calls it": (("image",), upload("a.bin", PICTURE.data, "text/plain"), Image, "image/png"),
    "a sound": (("image", "audio"), upload("a.wav", b"RIFF\x24\0\0\0WAVEfmt "), Audio, "audio/wav"),
    "a PDF": (("document",), upload("a.pdf", b"%PDF-1.7\n"), Document, "application/pdf"),
}


REFUSED = {
    "of another kind": (upload("a.pdf", b"%PDF-1.7\n"), "wrong_kind"),
    "of no kind": (upload("a", b"\xfe\x00\x80odd"), "unreadable"),
    "too large": (upload("red.png", PICTURE.data + bytes(1000)), "too_large"),
    "empty": (upload("red.png", b""), "empty"),
    "no file": ("red.png", "invalid"),
    "nothing": (None, "required"),
}


MISTAKEN = {
    "kinds": ("image", ["pictures"], []),
    "media_types": ("image/png", ["png"]),
    "max_bytes": ("5", 0, True),
}


class TestUploads:
    @pytest.mark.parametrize("name", MISTAKEN)
    def test_a_field_that_would_take_nothing(self, name):
        for value in MISTAKEN[name]:
            with pytest.raises(ConfigurationError, match=f"^{name}: expected"):
                UploadField(**{name: value})

    @pytest.mark.parametrize(("kinds", "file", "cls", "media_type"), TAKEN.values(), ids=TAKEN.keys())
    def test_taken(self, kinds, file, cls, media_type):
        part = UploadField(kinds=kinds).clean(file)
        assert (type(part), part.media_type, part.name) == (cls, media_type, file.name)

    @pytest.mark.parametrize(("file", "code"), REFUSED.values(), ids=REFUSED.keys())
    def test_refused(self, file, code):
        with pytest.raises(ValidationError) as caught:
            UploadField(max_bytes=1000).clean(file)
        assert caught.value.error_list[0].code == code
        assert "%" not in caught.value.messages[0]

    def test_some_types_alone(self):
        field = UploadField(media_types=("image/jpeg", "image/png"))
        assert field.widget.attrs["accept"] == "image/jpeg,image/png"
        assert field.clean(upload("red.png", PICTURE.data)).media_type == "image/png"
        with pytest.raises(ValidationError, match="of this kind"):
            field.clean(upload("red.gif", b"GIF89a" + bytes(20)))

    def test_what_is_too_large_is_not_read(self):
        class Unread(io.BytesIO):
            name, size = "red.png", 10**9

        with pytest.raises(ValidationError, match=r"at most 5\.0 MiB"):
            UploadField().clean(Unread())

    def test_in_a_form(self):
        class Question(forms.Form):
            text = forms.CharField()
            picture = UploadField(required=False)

        assert 'accept="image/*"' in Question().as_p()
        form = Question({"text": "What is this?"}, {"picture": upload("red.png", PICTURE.data)})
        assert form.is_valid()
        assert form.cleaned_data["picture"].data == PICTURE.data
        form = Question({"text": "Hi"}, {})
        assert form.is_valid()
        assert form.cleaned_data["picture"] is None
        assert "accept" not in str(UploadField(kinds=("image", "document")).widget.attrs)
