"""Read predictions of clips that anybody made: tables with headings, logs in plain text, run folders of ours."""
