"""Grad-CAM, Grad-CAM++, HiResCAM and LayerCAM by pytorch-grad-cam on timm's EfficientNet-B0, for our own to match.

    python gradcam_truth.py FOLDER

Writes into FOLDER: model.safetensors (timm's names, one channel in, one score out), input.f32
(`[batch, 1, height, width]`, as it enters the network), truth.json with the shape and, for each
block and method, the file of the maps (`[batch, height, width]`, little-endian f32).
"""
import json
import pathlib
import sys

import numpy
import safetensors.torch
import timm
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

BATCH, HEIGHT, WIDTH = 2, 96, 64


def main():
    folder = pathlib.Path(sys.argv[1])
    torch.manual_seed(7)
    torch.set_num_threads(2)
    model = timm.create_model("efficientnet_b0", in_chans=1, num_classes=1).eval()
    with torch.no_grad():
        for name, value in model.named_buffers():
            if name.endswith("running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
        for name, value in model.named_parameters():
            if value.ndim == 1:
                value.add_(torch.randn_like(value) * 0.1)
        # Large enough that the maps are well above the reference's guard against zeros.
        model.classifier.weight.normal_(0, 1)
    safetensors.torch.save_file(model.state_dict(), folder / "model.safetensors")
    images = torch.randn(BATCH, 1, HEIGHT, WIDTH)
    images.numpy().astype("<f4").tofile(folder / "input.f32")

    targets = [ClassifierOutputTarget(0)] * BATCH
    maps = []
    methods = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "hirescam": HiResCAM, "layercam": LayerCAM}
    blocks = {"blocks.1.1": model.blocks[1][1], "blocks.4.2": model.blocks[4][2], "blocks.6.0": model.blocks[6][0], "conv_head": model.bn2}
    for block, layer in blocks.items():
        for method, kind in methods.items():
            # One weight for all places finds nothing for the score in so early a random block.
            if block == "blocks.1.1" and method.startswith("gradcam"):
                continue
            with kind(model=model, target_layers=[layer]) as cam:
                found = cam(input_tensor=images, targets=targets)
            assert found.shape == (BATCH, HEIGHT, WIDTH) and found.max() > 0.5, (block, found.max())
            file = f"{block}-{method}.f32"
            numpy.asarray(found, "<f4").tofile(folder / file)
            maps.append({"block": block, "method": method, "file": file})
    truth = {"shape": [BATCH, HEIGHT, WIDTH], "maps": maps}
    (folder / "truth.json").write_text(json.dumps(truth))
    print(f"{len(maps)} maps")


if __name__ == "__main__":
    main()
