"""One training step of the original's Keras network for each line of input.

As in the original the slopes of PReLU are not shared by the pixels.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
from keras import layers
from protocol import images, serve

WIDTH = 64


def convolution(x, outputs, size=3):
    return layers.Conv2D(outputs, size, padding="same")(x)


def residual(x):
    y = layers.BatchNormalization()(convolution(x, WIDTH))
    y = layers.BatchNormalization()(convolution(layers.PReLU()(y), WIDTH))
    return layers.Add()([x, y])


def network(size: int) -> keras.Model:
    import tensorflow as tf

    image = keras.Input((size, size, 1))
    x = layers.PReLU()(convolution(image, WIDTH))
    for _ in range(4):
        x = layers.Lambda(lambda t: tf.nn.space_to_depth(t, 2))(x)
        x = layers.PReLU()(convolution(x, WIDTH))
    y = x
    for _ in range(5):
        y = residual(y)
    y = layers.BatchNormalization()(convolution(y, WIDTH))
    x = layers.Add()([x, y])
    for _ in range(4):
        x = convolution(x, 4 * WIDTH)
        x = layers.Lambda(lambda t: tf.nn.depth_to_space(t, 2))(x)
        x = layers.PReLU()(x)
    return keras.Model(image, convolution(x, 1, 9))


def main(size: int) -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(2)
    tf.config.threading.set_inter_op_parallelism_threads(2)
    model = network(size)
    model.compile(keras.optimizers.Adam(1e-4), "mse")
    degraded, hr = images(size)
    serve(lambda: float(model.train_on_batch(degraded, hr)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
