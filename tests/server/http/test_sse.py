"""The bytes of an event."""

from server.http import sse


def test_a_frame_has_name_number_and_one_line_of_data() -> None:
    assert sse.frame({"text": "a\nb"}, "delta", 3) == (
        b'event: delta\nid: 3\ndata: {"text":"a\\nb"}\n\n'
    )


def test_text_is_utf_8_and_a_lone_surrogate_does_not_break_it() -> None:
    assert sse.frame("世🙂") == 'data: "世🙂"\n\n'.encode()
    assert sse.frame("\ud800") == b'data: "?"\n\n'
