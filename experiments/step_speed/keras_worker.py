"""One training step of a network in Keras for each line of input.

    python keras_worker.py NETWORK SIZE

In the generator the slopes of PReLU are not shared by the pixels, as in the original.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
from keras import layers
from protocol import STAGE_WIDTHS, images, serve

WIDTH = 64


def convolution(x, outputs, size=3):
    return layers.Conv2D(outputs, size, padding="same")(x)


def residual(x):
    y = layers.BatchNormalization()(convolution(x, WIDTH))
    y = layers.BatchNormalization()(convolution(layers.PReLU()(y), WIDTH))
    return layers.Add()([x, y])


def unshuffle(x):
    import tensorflow as tf

    return layers.Lambda(lambda t: tf.nn.space_to_depth(t, 2))(x)


def shuffle(x):
    import tensorflow as tf

    return layers.Lambda(lambda t: tf.nn.depth_to_space(t, 2))(x)


def generator(size: int) -> keras.Model:
    image = keras.Input((size, size, 1))
    x = layers.PReLU()(convolution(image, WIDTH))
    for _ in range(4):
        x = unshuffle(x)
        x = layers.PReLU()(convolution(x, WIDTH))
    y = x
    for _ in range(5):
        y = residual(y)
    y = layers.BatchNormalization()(convolution(y, WIDTH))
    x = layers.Add()([x, y])
    for _ in range(4):
        x = convolution(x, 4 * WIDTH)
        x = shuffle(x)
        x = layers.PReLU()(x)
    return keras.Model(image, convolution(x, 1, 9))


def block(x):
    width = x.shape[-1]
    y = layers.PReLU(shared_axes=[1, 2])(convolution(x, width))
    return layers.Add()([x, convolution(y, width)])


def stage(size: int) -> keras.Model:
    """`sisr_jax.models.UNet` of five estimates."""
    image = keras.Input((size, size, 5))
    first = image[..., :1]
    others = 10 * (image[..., 1:] - first)
    y = unshuffle(layers.Concatenate()([first, others]))
    y = layers.PReLU(shared_axes=[1, 2])(convolution(y, STAGE_WIDTHS[0]))
    skips = []
    for width in STAGE_WIDTHS[1:]:
        skips.append(y)
        y = convolution(unshuffle(y), width, 1)
        y = block(layers.PReLU(shared_axes=[1, 2])(y))
    y = block(y)
    for skip in reversed(skips):
        y = shuffle(convolution(y, 4 * skip.shape[-1], 1))
        y = block(layers.Add()([y, skip]))
    return keras.Model(image, first + shuffle(convolution(y, 4)) / 10)


def main(network: str, size: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(2)
    tf.config.threading.set_inter_op_parallelism_threads(2)
    model = stage(size) if network == "stage" else generator(size)
    model.compile(keras.optimizers.Adam(1e-4), "mse")
    degraded, hr = images(network, size)
    serve(lambda: float(model.train_on_batch(degraded, hr)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
