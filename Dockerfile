# Finesift for Hugging Face Spaces (sdk: docker, app_port: 8501) and any other container host.
# Nothing of a user's is baked in: no uploads, no trained models. The disk of a Space is ephemeral.
FROM python:3.11-slim

# Spaces run the container as user 1000.
RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /home/user/app

ENV HOME=/home/user \
    PATH=/home/user/.local/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FINESIFT_HOME=/home/user/.finesift \
    FINESIFT_DEMO=1

# The requirements first: an edit to the code does not install them again.
COPY --chown=user requirements.txt .
RUN pip install --user --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY --chown=user . .
RUN mkdir -p /home/user/.finesift

EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

# XSRF protection is off here and nowhere else: a Space shows the app inside a frame of another site, where the
# browser withholds the cookie that the protection rests on, so that every upload would be refused.
# 0.0.0.0 because the host's proxy comes from outside the container; 20 MB is the demo's limit for files.
CMD ["streamlit", "run", "app.py", \
     "--server.address", "0.0.0.0", \
     "--server.port", "8501", \
     "--server.headless", "true", \
     "--server.enableXsrfProtection=false", \
     "--server.fileWatcherType", "none", \
     "--server.maxUploadSize", "20", \
     "--browser.gatherUsageStats", "false"]
