"""What SciPy and scikit-learn give for Tensors when they follow the array API standard.

`python -m tests.neighbours_array_api scipy` (or sklearn), with ``SCIPY_ARRAY_API=1`` set, prints a line for each call:
the type of the result, and whether it agrees with what NumPy's array gives.
"""

import importlib
import json
import sys
import warnings

import numpy as real

SCIPY = """
special.erf(x) ; special.logsumexp(x, axis=0) ; special.softmax(x, axis=1) ; special.expit(v) ; special.xlogy(x, x)
special.log_softmax(x, axis=1) ; special.gammaln(x) ; special.betainc(x, x, x / 13) ; special.entr(v)
fft.fft(x) ; fft.rfft(x) ; fft.irfft(fft.rfft(x)) ; fft.fftn(x) ; fft.dct(x) ; fft.fftshift(x) ; fft.fftfreq(5, xp=xp)
stats.zscore(x, axis=1) ; stats.skew(x, axis=0) ; stats.kurtosis(x, axis=0) ; stats.moment(x, 2) ; stats.gmean(x)
stats.ttest_1samp(x, 1.0).pvalue ; stats.ttest_ind(x, x + 1).statistic ; stats.entropy(x) ; stats.sem(x)
signal.convolve(x, x) ; signal.fftconvolve(x, x) ; signal.hilbert(v) ; signal.detrend(x) ; signal.resample(v, 4)
signal.savgol_filter(v, 5, 2) ; signal.get_window("hann", 8, xp=xp) ; signal.correlate(x, x) ; signal.medfilt(v)
ndimage.gaussian_filter(x, 1.0) ; ndimage.sobel(x) ; ndimage.median_filter(x, 3) ; ndimage.label(x > 3)[0]
ndimage.zoom(x, 2) ; ndimage.binary_dilation(x > 6) ; cluster.vq.whiten(x) ; cluster.vq.vq(x, x[:2])[0]
cluster.hierarchy.linkage(x) ; integrate.trapezoid(x) ; integrate.cumulative_simpson(v, dx=0.1)
integrate.cubature(lambda t: xp.exp(-t[:, 0]), xp.asarray([0.0]), xp.asarray([1.0])).estimate
differentiate.derivative(xp.sin, v).df ; optimize.rosen_der(v) ; spatial.distance.pdist(x)
spatial.transform.Rotation.from_rotvec(x[:, :3]).as_matrix() ; interpolate.CubicSpline(xp.arange(7.0), v)(v)
interpolate.make_interp_spline(xp.arange(7.0), v)(v) ; constants.convert_temperature(v, "C", "K")
"""

WITHOUT_AXES = """
stats.ttest_1samp(v, 1.0).pvalue ; stats.ttest_1samp(v, v[1]).pvalue ; stats.ttest_1samp(v, xp.sum(v) / 7).statistic
stats.ttest_ind(v, v + 1).pvalue ; stats.ttest_rel(v, v * 2).pvalue ; stats.variation(v) ; stats.skew(v)
stats.kurtosis(v) ; stats.tmean(v) ; stats.tvar(v) ; stats.pearsonr(v, v ** 2).statistic ; stats.iqr(v)
stats.pearsonr(v, v ** 2).pvalue ; stats.bartlett(v, v * 2).statistic ; stats.chisquare(v + 1).pvalue
stats.skewtest(xp.arange(20.0)).pvalue ; stats.normaltest(xp.arange(20.0) ** 2).pvalue ; stats.jarque_bera(v).pvalue
stats.circmean(v) ; stats.levene(v, v * 2).pvalue ; stats.f_oneway(v, v * 2).pvalue
stats.power_divergence(v + 1).pvalue
stats.combine_pvalues(v / 10 + 0.01).pvalue ; stats.quantile(v, 0.5) ; stats.gstd(v + 1) ; stats.describe(v).variance
special.logsumexp(v) ; special.logsumexp(v, b=v) ; special.erf(xp.sum(v)) ; integrate.simpson(v) ; stats.sem(v)
integrate.trapezoid(v) ; stats.linregress(v, v * 2).slope ; stats.mannwhitneyu(v, v + 1).pvalue ; stats.entropy(v)
"""
"""Calls whose results have no axes: lazy scalars, or NumPy's own where nothing is left to compute."""

MIXED = """
signal.sosfilt(signal.butter(2, 0.3, output="sos"), v) ; signal.lfilter([1.0], [1.0, 0.5], v)
signal.sosfiltfilt(signal.butter(2, 0.3, output="sos"), xp.arange(30.0)) ; stats.lmoment(v)
signal.filtfilt([1.0], [1.0, 0.5], xp.arange(30.0)) ; stats.ttest_1samp(x, real.ones(4)).pvalue
stats.ttest_ind(x, real.ones((3, 4))).pvalue ; special.xlogy(x, real.arange(4.0)) ; signal.convolve(v, real.ones(3))
"""
"""Calls with NumPy's own arrays, or lists, besides Tensors."""

SKLEARN = """
linear_model.Ridge(solver="svd").fit(X, X[:, 0]).predict(X) ; linear_model.Ridge(solver="svd").fit(X, X[:, 0]).coef_
linear_model.RidgeClassifier(solver="svd").fit(X, y).predict(X) ; linear_model.RidgeCV().fit(X, X[:, 0]).predict(X)
decomposition.PCA(2, svd_solver="full").fit(X).transform(X) ; decomposition.PCA(2, svd_solver="full").fit(X).components_
discriminant_analysis.LinearDiscriminantAnalysis(solver="svd").fit(X, y).transform(X)
preprocessing.StandardScaler().fit_transform(X) ; preprocessing.MinMaxScaler().fit_transform(X)
preprocessing.MaxAbsScaler().fit_transform(X) ; preprocessing.Normalizer().fit_transform(X)
preprocessing.PolynomialFeatures(2).fit_transform(X) ; preprocessing.LabelEncoder().fit_transform(y)
preprocessing.KernelCenterer().fit_transform(X @ X.T) ; metrics.pairwise.rbf_kernel(X)
mixture.GaussianMixture(2, random_state=0, init_params="random").fit(X).predict_proba(X)
kernel_approximation.Nystroem(n_components=3, random_state=0).fit_transform(X)
model_selection.train_test_split(X, y, random_state=0)[0]
"""

ROOMS = {
    "scipy": "special fft stats signal ndimage cluster.vq cluster.hierarchy integrate differentiate optimize "
             "spatial.distance spatial.transform interpolate constants",
    "sklearn": "linear_model decomposition discriminant_analysis preprocessing metrics mixture kernel_approximation "
               "model_selection",
}  # fmt: skip


def calls(library):
    """The calls of a library's table."""
    table = SCIPY + WITHOUT_AXES + MIXED if library == "scipy" else SKLEARN
    return [call.strip() for line in table.strip().splitlines() if line for call in line.split(" ; ")]


def arrays(xp):
    X = xp.sin(xp.reshape(xp.arange(120.0), (30, 4))) * 2 + xp.arange(30.0)[:, None] / 20
    return {"xp": xp, "real": real, "x": xp.reshape(xp.arange(12.0), (3, 4)) + 1, "v": xp.linspace(0, 1, 7) * 2,
            "X": X, "y": xp.astype(X[:, 0] > X[:, 1], xp.int64)}  # fmt: skip


def report(library):
    """For each call: the module of the result's type, and whether its values agree."""
    import lazytensor

    rooms = {}
    for name in ROOMS[library].split():
        rooms[name.partition(".")[0]] = importlib.import_module(f"{library}.{name.partition('.')[0]}")
        importlib.import_module(f"{library}.{name}")
    if library == "sklearn":
        importlib.import_module("sklearn").set_config(array_api_dispatch=True)
    told = {}
    for call in calls(library):
        try:
            expected, actual = (eval(call, {**rooms, **arrays(xp)}) for xp in (real, lazytensor))
            agrees = bool(real.allclose(real.asarray(expected), real.asarray(actual), rtol=1e-9, atol=1e-12))
            told[call] = type(actual).__module__, agrees, str(expected.dtype) == str(actual.dtype)
        except Exception as error:
            told[call] = repr(error), False, False
    return told


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(report(sys.argv[1])))
