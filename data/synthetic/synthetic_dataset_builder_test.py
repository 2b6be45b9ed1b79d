"""The builder's own description; building and reading are tested with the dataset."""

from data.synthetic.synthetic_dataset_builder import Builder


def test_the_folder_describes_the_database() -> None:
    """Name, citation and tags come from the files of this folder."""
    metadata = Builder.get_metadata()
    assert Builder.name == "synthetic"
    assert "ahlberg2001candide" in (metadata.citation or "")
    assert "content.data-type.image" in metadata.tags
    assert set(Builder.builder_configs) == {"federated", "pretraining"}
