from jaxdl.transfer import imagenet
from tests.pytorch import torchvision


def test_names_are_torchvisions_in_the_order_of_the_logits():
    names = [each.name for each in imagenet.classes()]
    assert names == torchvision().models.ResNet18_Weights.DEFAULT.meta["categories"]
    assert len(set(names)) == 1000


def test_synsets_name_the_folders_of_imagenet_in_their_sorted_order():
    synsets = [each.synset for each in imagenet.classes()]
    assert synsets == sorted(set(synsets))
    assert len(synsets) == 1000
    known = {"n01440764": "tench", "n02123045": "tabby", "n02124075": "Egyptian cat", "n15075141": "toilet tissue"}
    assert known.items() <= {each.synset: each.name for each in imagenet.classes()}.items()
